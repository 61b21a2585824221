/* Product of two square matrices, in double precision; the inner loop goes along rows, so that it is vectorised. */
#include "benchmark.h"

#define SIZE 480

static double a[SIZE][SIZE], b[SIZE][SIZE], c[SIZE][SIZE];

__attribute__((optimize("O3")))
static void multiply(void)
{
    for (int i = 0; i < SIZE; i++)
        for (int k = 0; k < SIZE; k++) {
            double factor = a[i][k];
            for (int j = 0; j < SIZE; j++)
                c[i][j] += factor * b[k][j];
        }
}

static uint64_t run(void)
{
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            a[i][j] = (double)(next_random() & 0xFF) / 16;
            b[i][j] = (double)(next_random() & 0xFF) / 16;
            c[i][j] = 0;
        }
    for (int round = 0; round < 4; round++)
        multiply();
    uint64_t bits, sum = 0;
    for (int i = 0; i < SIZE; i++) {
        memcpy(&bits, &c[i][SIZE - 1 - i], sizeof bits);
        sum = sum * 31 + bits;
    }
    return sum;
}
