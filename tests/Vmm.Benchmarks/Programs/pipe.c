/* A byte goes to and fro between two processes: a context switch each way. */
#include "benchmark.h"
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 15000

static uint64_t run(void)
{
    int there[2], back[2];
    if (pipe(there) != 0 || pipe(back) != 0)
        exit(1);
    uint8_t byte = 1;
    uint64_t sum = 0;
    pid_t child = fork();
    if (child == 0) {
        close(there[1]);
        while (read(there[0], &byte, 1) == 1) {
            byte++;
            if (write(back[1], &byte, 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            exit(1);
        sum += byte;
    }
    close(there[0]);
    close(there[1]);
    close(back[0]);
    close(back[1]);
    waitpid(child, NULL, 0);
    return sum;
}
