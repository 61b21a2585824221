/* Follows a random cycle through 64 MiB: each read waits for the one before and misses caches and translations. */
#include "benchmark.h"

#define NODES (1 << 20)
#define HOPS 2000000

/* One to a cache line. */
static struct node { struct node *next; char rest[56]; } nodes[NODES];
static uint32_t order[NODES];

static uint64_t run(void)
{
    static int linked;
    if (!linked) {
        for (uint32_t i = 0; i < NODES; i++)
            order[i] = i;
        for (uint32_t i = NODES - 1; i > 0; i--) {
            uint32_t j = next_random() % i, other = order[i];
            order[i] = order[j];
            order[j] = other;
        }
        for (uint32_t i = 0; i < NODES; i++)
            nodes[order[i]].next = &nodes[order[(i + 1) & (NODES - 1)]];
        linked = 1;
    }
    struct node *at = nodes;
    for (int i = 0; i < HOPS; i++)
        at = at->next;
    return (uint64_t)(at - nodes);
}
