/* Touches fresh pages: a fault, a cleared page and a new translation each. */
#include "benchmark.h"
#include <sys/mman.h>

#define PAGE 4096
#define PAGES 8192

static uint64_t run(void)
{
    uint64_t sum = 0;
    for (int round = 0; round < 5; round++) {
        uint8_t *memory = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            exit(1);
        /* Small pages on every host. */
        madvise(memory, (size_t)PAGES * PAGE, MADV_NOHUGEPAGE);
        for (int i = 0; i < PAGES; i++) {
            memory[(size_t)i * PAGE] = (uint8_t)i;
            sum += memory[(size_t)i * PAGE] + memory[(size_t)i * PAGE + 1];
        }
        munmap(memory, (size_t)PAGES * PAGE);
    }
    return sum;
}
