/* An interpreter of a small stack machine: a switch in a loop, with branches that are hard to foretell. */
#include "benchmark.h"

enum { PUSH, LOAD, STORE, ADD, MULTIPLY, XOR, SHIFT_RIGHT, LESS, JUMP_IF_ZERO, JUMP, HALT };

/* Collatz-like steps of each number from 1 on: the length of the path is summed up in variable 2. */
static const int code[] = {
    PUSH, 1, STORE, 0,                                       /*  0: n = 1 */
    LOAD, 0, STORE, 1,                                       /*  4: x = n */
    LOAD, 2, PUSH, 1, ADD, STORE, 2,                         /*  8: count++ */
    LOAD, 1, PUSH, 1, LESS, JUMP_IF_ZERO, 56,                /* 15: 1 < x? */
    LOAD, 1, PUSH, 1, SHIFT_RIGHT, PUSH, 2, MULTIPLY,        /* 22: x / 2 * 2 */
    LOAD, 1, XOR, JUMP_IF_ZERO, 47,                          /* 30: even? */
    LOAD, 1, PUSH, 3, MULTIPLY, PUSH, 1, ADD,                /* 35: 3x + 1 */
    STORE, 1, JUMP, 8,                                       /* 43 */
    LOAD, 1, PUSH, 1, SHIFT_RIGHT, STORE, 1, JUMP, 8,        /* 47: x / 2 */
    LOAD, 0, PUSH, 1, ADD, STORE, 0,                         /* 56: n++ */
    LOAD, 0, PUSH, 40000, LESS, JUMP_IF_ZERO, 4, HALT,       /* 63: until 40000 < n */
};

static uint64_t run(void)
{
    uint64_t stack[16], variables[3] = { 0, 0, 0 };
    int top = 0;
    for (const int *at = code;;) {
        switch (*at++) {
        case PUSH: stack[top++] = (uint64_t)*at++; break;
        case LOAD: stack[top++] = variables[*at++]; break;
        case STORE: variables[*at++] = stack[--top]; break;
        case ADD: top--; stack[top - 1] += stack[top]; break;
        case MULTIPLY: top--; stack[top - 1] *= stack[top]; break;
        case XOR: top--; stack[top - 1] ^= stack[top]; break;
        case SHIFT_RIGHT: top--; stack[top - 1] >>= stack[top]; break;
        case LESS: top--; stack[top - 1] = stack[top] < stack[top - 1]; break;
        case JUMP_IF_ZERO: at = stack[--top] == 0 ? code + *at : at + 1; break;
        case JUMP: at = code + *at; break;
        default: return variables[2];
        }
    }
}
