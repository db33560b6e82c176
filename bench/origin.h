/* origin - the load's far end: a server in a process of its own that answers at once.
 *
 * Each request, read with its body, gets ORIGIN_ANSWER_BYTES of JSON; one whose target has
 * "stream?chunks=N&us=T" gets N server-sent events, chunked, T microseconds apart, the first at
 * once, each with the time it was sent (bench/message.h).
 */
#ifndef BENCH_ORIGIN_H
#define BENCH_ORIGIN_H

#include <sys/types.h>

#define ORIGIN_ANSWER_BYTES 900 /* head and body */
#define ORIGIN_CHUNK_BYTES  200 /* an event */

/* On loopback, on the processor cpu if it is not negative; -1 with a message on stderr. */
pid_t origin_start(int cpu, int *ret_port);

#endif
