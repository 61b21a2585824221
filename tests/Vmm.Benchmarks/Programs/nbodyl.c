/* Five bodies under gravity in extended precision, with energies truncated to integers: memory operands of ten bytes. */
#include "benchmark.h"
#include <math.h>

#define BODIES 5
#define STEPS 60000

struct body { long double x, y, z, vx, vy, vz, mass; };

static void advance(struct body *bodies, long double step)
{
    for (int i = 0; i < BODIES; i++) {
        for (int j = i + 1; j < BODIES; j++) {
            struct body *a = &bodies[i], *b = &bodies[j];
            long double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
            long double square = dx * dx + dy * dy + dz * dz + 1e-3L;
            long double pull = step / (square * sqrtl(square));
            a->vx -= dx * b->mass * pull; a->vy -= dy * b->mass * pull; a->vz -= dz * b->mass * pull;
            b->vx += dx * a->mass * pull; b->vy += dy * a->mass * pull; b->vz += dz * a->mass * pull;
        }
    }
    for (int i = 0; i < BODIES; i++) {
        bodies[i].x += step * bodies[i].vx;
        bodies[i].y += step * bodies[i].vy;
        bodies[i].z += step * bodies[i].vz;
    }
}

static uint64_t run(void)
{
    struct body bodies[BODIES];
    uint64_t sum = 0;
    for (int i = 0; i < BODIES; i++) {
        struct body *b = &bodies[i];
        b->x = 5.0L * i; b->y = 3.0L - i; b->z = 0.25L * i;
        b->vx = 0.1L * i; b->vy = 0.7L - 0.2L * i; b->vz = 0.01L * i;
        b->mass = i == 0 ? 40.0L : 0.04L / i;
    }
    for (int i = 0; i < STEPS; i++) {
        advance(bodies, 0.001L);
        sum += (uint64_t)(int64_t)(bodies[1].x * 1e15L);
    }
    return sum;
}
