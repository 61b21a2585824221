/*
 * The frame of every program: it defines run(), which does the work once and returns a number that depends on all of
 * it. The better of two times is printed as "result NAME NANOSECONDS SUM"; the first run warms caches, the host's and
 * those of whoever runs the guest. PROGRAM, the name, comes from the compiler's command line.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t run(void);

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* A linear congruential generator, so that every host computes the same. */
static uint32_t random_state = 12345;

static inline uint32_t next_random(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static int measure(const char *name)
{
    uint64_t best = UINT64_MAX, sum = 0;
    for (int i = 0; i < 2; i++) {
        random_state = 12345;
        uint64_t start = now();
        sum = run();
        uint64_t taken = now() - start;
        best = taken < best ? taken : best;
    }
    /* What the kernel last wrote to the console may not have ended its line. */
    printf("\nresult %s %llu %llx\n", name, (unsigned long long)best, (unsigned long long)sum);
    return 0;
}

#ifndef OWN_MAIN
int main(void)
{
    return measure(PROGRAM);
}
#endif
