/* Open hashing: keys of text are hashed byte by byte (FNV-1a), inserted and looked up. */
#include "benchmark.h"

#define SLOTS (1 << 18)
#define KEYS 120000
#define KEY_LENGTH 16

static uint64_t table[SLOTS];
static char keys[KEYS][KEY_LENGTH];

static uint64_t hash(const char *key)
{
    uint64_t value = 14695981039346656037u;
    for (int i = 0; i < KEY_LENGTH; i++)
        value = (value ^ (uint8_t)key[i]) * 1099511628211u;
    return value | 1;
}

static uint64_t probe(uint64_t value, int insert)
{
    uint64_t steps = 1;
    for (uint32_t slot = (uint32_t)(value >> 20) & (SLOTS - 1);; slot = (slot + 1) & (SLOTS - 1), steps++) {
        if (table[slot] == value)
            return steps;
        if (table[slot] == 0) {
            if (insert)
                table[slot] = value;
            return steps;
        }
    }
}

static uint64_t run(void)
{
    uint64_t steps = 0;
    memset(table, 0, sizeof table);
    for (int i = 0; i < KEYS; i++)
        for (int j = 0; j < KEY_LENGTH; j++)
            keys[i][j] = (char)('a' + next_random() % 26);
    for (int round = 0; round < 40; round++)
        for (int i = 0; i < KEYS; i++)
            steps += probe(hash(keys[i]), round == 0);
    return steps;
}
