/* The first process of the guest: runs the programs that its arguments name, one after another, and powers off. */
#include <stdio.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    mount("proc", "/proc", "proc", 0, NULL);
    for (int i = 1; i < argc; i++) {
        char path[256];
        snprintf(path, sizeof path, "/programs/%s", argv[i]);
        pid_t child = fork();
        if (child == 0) {
            execl(path, path, (char *)NULL);
            _exit(127);
        }

        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
            printf("%s failed with status %x\n", argv[i], status);
        fflush(stdout);
    }

    reboot(RB_POWER_OFF);
    return 0;
}
