/* Five bodies under gravity, in double precision. */
#include "benchmark.h"
#include <math.h>

#define BODIES 5
#define STEPS 800000

struct body { double x, y, z, vx, vy, vz, mass; };

static void advance(struct body *bodies, double step)
{
    for (int i = 0; i < BODIES; i++) {
        for (int j = i + 1; j < BODIES; j++) {
            struct body *a = &bodies[i], *b = &bodies[j];
            double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
            double square = dx * dx + dy * dy + dz * dz + 1e-3;
            double pull = step / (square * sqrt(square));
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
    for (int i = 0; i < BODIES; i++) {
        struct body *b = &bodies[i];
        b->x = 5.0 * i; b->y = 3.0 - i; b->z = 0.25 * i;
        b->vx = 0.1 * i; b->vy = 0.7 - 0.2 * i; b->vz = 0.01 * i;
        b->mass = i == 0 ? 40.0 : 0.04 / i;
    }
    for (int i = 0; i < STEPS; i++)
        advance(bodies, 0.001);
    uint64_t bits;
    memcpy(&bits, &bodies[1].x, sizeof bits);
    return bits;
}
