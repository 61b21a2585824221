/* SHA-256 (FIPS 180-4) in plain C. The constants are computed as the standard defines them. */
#include "benchmark.h"
#include <math.h>

#define BYTES (1 << 20)
#define ROUNDS 20

static uint32_t initial[8], constants[64];
static uint8_t data[BYTES];

static uint32_t fraction(double root) { return (uint32_t)((root - floor(root)) * 4294967296.0); }

static void prepare(void)
{
    for (int candidate = 2, count = 0; count < 64; candidate++) {
        int prime = 1;
        for (int divisor = 2; divisor * divisor <= candidate; divisor++)
            prime &= candidate % divisor != 0;
        if (prime) {
            if (count < 8)
                initial[count] = fraction(sqrt(candidate));
            constants[count++] = fraction(cbrt(candidate));
        }
    }
}

static inline uint32_t rotate(uint32_t value, int by) { return value >> by | value << (32 - by); }

static void compress(uint32_t *state, const uint8_t *block)
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t small0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t small1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + small0 + w[i - 7] + small1;
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t big1 = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
        uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
        uint32_t first = s[7] + big1 + choice + constants[i] + w[i];
        uint32_t big0 = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
        uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        s[7] = s[6]; s[6] = s[5]; s[5] = s[4]; s[4] = s[3] + first;
        s[3] = s[2]; s[2] = s[1]; s[1] = s[0]; s[0] = first + big0 + majority;
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

static uint64_t run(void)
{
    uint32_t state[8];
    prepare();
    for (int i = 0; i < BYTES; i++)
        data[i] = (uint8_t)next_random();
    memcpy(state, initial, sizeof state);
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < BYTES; i += 64)
            compress(state, data + i);
    return (uint64_t)state[0] << 32 | state[7];
}
