/* Quicksort of random numbers, with insertion sort for short runs. */
#include "benchmark.h"

#define COUNT 1200000
#define SHORT_RUN 16

static uint32_t numbers[COUNT];

static void sort(uint32_t *first, uint32_t *last)
{
    while (last - first > SHORT_RUN) {
        uint32_t pivot = first[(last - first) / 2], *low = first, *high = last;
        while (low <= high) {
            while (*low < pivot) low++;
            while (*high > pivot) high--;
            if (low <= high) {
                uint32_t other = *low;
                *low++ = *high;
                *high-- = other;
            }
        }
        sort(first, high);
        first = low;
    }
    for (uint32_t *next = first + 1; next <= last; next++) {
        uint32_t value = *next, *at = next;
        for (; at > first && at[-1] > value; at--)
            *at = at[-1];
        *at = value;
    }
}

static uint64_t run(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < COUNT; i++)
        numbers[i] = next_random();
    sort(numbers, numbers + COUNT - 1);
    for (int i = 0; i < COUNT; i++)
        sum = sum * 31 + numbers[i];
    return sum;
}
