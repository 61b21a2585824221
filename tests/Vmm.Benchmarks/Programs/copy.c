/* Copies 64 KiB again and again through the 16-byte registers. */
#include "benchmark.h"
#include <emmintrin.h>

#define VECTORS 4096

static __m128i from[VECTORS], to[VECTORS];

static uint64_t run(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < VECTORS; i++)
        from[i] = _mm_set1_epi32(i);
    for (int round = 0; round < 60000; round++) {
        from[round & (VECTORS - 1)] = _mm_set1_epi32(round);
        for (int i = 0; i < VECTORS; i += 4) {
            __m128i a = _mm_load_si128(&from[i]), b = _mm_load_si128(&from[i + 1]);
            __m128i c = _mm_load_si128(&from[i + 2]), d = _mm_load_si128(&from[i + 3]);
            _mm_store_si128(&to[i], a);
            _mm_store_si128(&to[i + 1], b);
            _mm_store_si128(&to[i + 2], c);
            _mm_store_si128(&to[i + 3], d);
        }
        sum = sum * 31 + (uint32_t)_mm_cvtsi128_si32(to[(round * 7) & (VECTORS - 1)]);
    }
    return sum;
}
