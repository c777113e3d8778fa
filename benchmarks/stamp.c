/* The job that is timed: it takes the time first thing and says it on a FIFO, on which the harness blocks.

   stamp FIFO WORD         says "WORD NANOSECONDS"
   stamp FIFO WORD GATE    then waits until somebody has opened and closed the FIFO GATE, and says "WORD.end NANOSECONDS"

   The time is CLOCK_REALTIME, which every process of the machine shares. */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static int say(const char *fifo, const char *word, const char *what, struct timespec at)
{
    char line[256];
    int length = snprintf(line, sizeof line, "%s%s %lld\n", word, what, at.tv_sec * 1000000000LL + at.tv_nsec);
    int fd = open(fifo, O_WRONLY);
    if (fd < 0 || write(fd, line, length) != length)
        return 1;
    return close(fd);
}

int main(int argc, char **argv)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (argc < 3)
        return 2;
    int failed = say(argv[1], argv[2], "", at);
    if (argc > 3 && !failed) {
        char byte;
        int gate = open(argv[3], O_RDONLY);
        if (gate < 0)
            return 1;
        while (read(gate, &byte, 1) > 0)
            ;
        clock_gettime(CLOCK_REALTIME, &at);
        failed = say(argv[1], argv[2], ".end", at);
    }
    return failed;
}
