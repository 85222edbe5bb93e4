/* The wall clock of a process, moved by as many seconds as a file says: see wrong_clock.py.
 *
 * What counts up from the start of the machine is left alone, as a clock that is set leaves it.
 * There are no locks, unlike in libfaketime, whose one semaphore for all processes stalls an event
 * loop for a second and more.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile long long *offset_s;

__attribute__((constructor)) static void open_offset(void) {
    int file = open(WRONG_CLOCK_OFFSET, O_RDONLY | O_CLOEXEC); // given to the compiler
    if (file < 0)
        return;
    void *found = mmap(NULL, sizeof *offset_s, PROT_READ, MAP_SHARED, file, 0);
    if (found != MAP_FAILED)
        offset_s = found;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    long result = syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && offset_s && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *offset_s;
    return (int)result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec at;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &at) != 0)
        return -1;
    now->tv_sec = at.tv_sec;
    now->tv_usec = at.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME_COARSE, &at);
    if (now)
        *now = at.tv_sec;
    return at.tv_sec;
}
