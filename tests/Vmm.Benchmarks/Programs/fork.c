/* A new process that runs a new program, and waiting for its end. */
#define OWN_MAIN
#include "benchmark.h"
#include <sys/wait.h>
#include <unistd.h>

static uint64_t run(void)
{
    uint64_t good = 0;
    for (int i = 0; i < 300; i++) {
        pid_t child = fork();
        if (child == 0) {
            execl("/proc/self/exe", "fork", "child", (char *)NULL);
            _exit(127);
        }
        int status = 0;
        good += waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7;
    }
    return good;
}

int main(int argc, char **argv)
{
    (void)argv;
    return argc > 1 ? 7 : measure(PROGRAM);
}
