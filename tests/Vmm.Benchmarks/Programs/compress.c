/* Compression in the manner of LZ77: back references found through a hash of four bytes, unpacked again and compared. */
#include "benchmark.h"

#define BYTES (4 << 20)
#define HASH_BITS 15
#define SHORTEST 4
#define LONGEST 255
#define WINDOW 65535

static uint8_t text[BYTES + LONGEST], packed[BYTES * 2], unpacked[BYTES + LONGEST];
static int32_t last[1 << HASH_BITS];

/* Words of a small vocabulary, so that there is something to find. */
static void write_text(void)
{
    char words[512][8];
    for (int i = 0; i < 512; i++)
        for (int j = 0; j < 8; j++)
            words[i][j] = (char)('a' + next_random() % 26);
    for (int at = 0; at < BYTES;) {
        const char *word = words[next_random() % 512 & next_random()];
        for (int length = 2 + (int)(next_random() % 6); length >= 0 && at < BYTES; length--)
            text[at++] = length == 0 ? ' ' : (uint8_t)word[length];
    }
}

static uint32_t hash(const uint8_t *at)
{
    uint32_t four;
    memcpy(&four, at, sizeof four);
    return four * 2654435761u >> (32 - HASH_BITS);
}

static int pack(void)
{
    int written = 0;
    memset(last, 0xFF, sizeof last);
    for (int at = 0; at < BYTES;) {
        uint32_t slot = hash(text + at);
        int candidate = last[slot], length = 0;
        last[slot] = at;
        if (candidate >= 0 && at - candidate <= WINDOW)
            while (length < LONGEST && at + length < BYTES && text[candidate + length] == text[at + length])
                length++;
        if (length >= SHORTEST) {
            packed[written++] = (uint8_t)length;
            packed[written++] = (uint8_t)(at - candidate);
            packed[written++] = (uint8_t)((at - candidate) >> 8);
            at += length;
        } else {
            packed[written++] = 0;
            packed[written++] = text[at++];
        }
    }
    return written;
}

static int unpack(int length)
{
    int at = 0;
    for (int read = 0; read < length;) {
        int count = packed[read++];
        if (count == 0) {
            unpacked[at++] = packed[read++];
            continue;
        }
        int distance = packed[read] | packed[read + 1] << 8;
        read += 2;
        for (; count > 0; count--, at++)
            unpacked[at] = unpacked[at - distance];
    }
    return at;
}

static uint64_t run(void)
{
    uint64_t sum = 0;
    write_text();
    for (int round = 0; round < 4; round++) {
        int length = pack();
        if (unpack(length) != BYTES)
            exit(1);
        for (int i = 0; i < BYTES; i++)
            if (text[i] != unpacked[i])
                exit(1);
        sum = sum * 31 + (uint64_t)length;
    }
    return sum;
}
