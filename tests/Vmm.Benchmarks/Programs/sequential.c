/* Reads, changes and writes 32 MiB in order, word by word. */
#include "benchmark.h"

#define WORDS (4 << 20)

static uint64_t words[WORDS];

static uint64_t run(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < WORDS; i++)
        words[i] = (uint64_t)i;
    for (int round = 0; round < 16; round++)
        for (int i = 0; i < WORDS; i++) {
            sum = sum * 3 + words[i];
            words[i] += sum >> 60;
        }
    return sum;
}
