/* Copies with REP MOVSB. Short: some emulators take over a thousand times as long as the host. */
#include "benchmark.h"

#define BYTES (64 << 10)

static uint8_t from[BYTES], to[BYTES];

static uint64_t run(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < BYTES; i++)
        from[i] = (uint8_t)(i * 7);
    for (int round = 0; round < 600; round++) {
        uint8_t *source = from, *target = to;
        size_t count = BYTES;
        from[round] = (uint8_t)round;
        __asm__ volatile("rep movsb" : "+S"(source), "+D"(target), "+c"(count) : : "memory");
        sum = sum * 31 + to[round] + to[BYTES - 1];
    }
    return sum;
}
