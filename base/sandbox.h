/* sandbox - what a process that looks into bytes of others gives up before it does.
 *
 * Should somebody take over a decoder: there is no network, no other program, no other process, and
 * no file but those that the work itself needs.
 *
 *     files    Landlock (Linux 5.13): only what is below the folders given
 *     calls    seccomp: only the system calls that reading and writing files takes
 *     limits   no core file; so much memory and so many descriptors
 *
 * There is no way back.  What a kernel, a container or the build does not have is left out: the
 * caller is told what holds and can say so.
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include <stddef.h>
#include <stdint.h>

enum {
    SANDBOX_FILES = 1u << 0,
    SANDBOX_CALLS = 1u << 1,
};

struct sandbox {
    const char *const *writable; /* folders; they may be read as well */
    size_t writable_count;
    const char *const *readable; /* likewise; one that does not exist is passed over */
    size_t readable_count;
    uint64_t memory_bytes; /* of its own: heap and the like, not files it maps; 0 = any */
    uint32_t descriptors;  /* 0 = any */
};

/* Of the whole process, which must have one thread.  Returns the SANDBOX_ bits of what holds.
 * Descriptors that are open stay so: close them before (close_range). */
unsigned sandbox_enter(const struct sandbox *s);

#endif
