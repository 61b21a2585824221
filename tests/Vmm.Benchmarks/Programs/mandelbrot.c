/* Points of the Mandelbrot set in extended precision: long double is the x87's. */
#include "benchmark.h"

#define SIZE 192
#define LIMIT 400

static int iterations(long double re, long double im)
{
    long double x = 0, y = 0;
    for (int i = 0; i < LIMIT; i++) {
        long double xx = x * x, yy = y * y;
        if (xx + yy > 4)
            return i;
        y = 2 * x * y + im;
        x = xx - yy + re;
    }
    return LIMIT;
}

static uint64_t run(void)
{
    uint64_t sum = 0;
    for (int row = 0; row < SIZE; row++)
        for (int column = 0; column < SIZE; column++)
            sum += (uint64_t)iterations(-2 + 3.0L * column / SIZE, -1.5L + 3.0L * row / SIZE) * (unsigned)(row + column);
    return sum;
}
