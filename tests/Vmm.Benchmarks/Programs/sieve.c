/* Sieve of Eratosthenes over bytes: short loops with growing strides. */
#include "benchmark.h"

#define LIMIT 16000000

static uint8_t composite[LIMIT + 1];

static uint64_t run(void)
{
    uint64_t primes = 0;
    for (int i = 0; i <= LIMIT; i++)
        composite[i] = 0;
    for (int i = 2; i <= LIMIT; i++) {
        if (composite[i])
            continue;
        primes++;
        for (long j = (long)i * i; j <= LIMIT; j += i)
            composite[j] = 1;
    }
    return primes;
}
