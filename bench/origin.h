/* origin - the load's far end: a server that answers at once, in a process of its own or served by
 * the thread that makes the load (bench/load.h), so that neither waits for the other's time slice.
 *
 * Each request, read with its body, gets ORIGIN_ANSWER_BYTES of JSON; one whose target has
 * "stream?chunks=N&us=T" gets N server-sent events, chunked, T microseconds apart, the first at
 * once, each with the time it was sent (bench/message.h).
 */
#ifndef BENCH_ORIGIN_H
#define BENCH_ORIGIN_H

#include <stdint.h>
#include <sys/types.h>

#define ORIGIN_ANSWER_BYTES 900 /* head and body */
#define ORIGIN_CHUNK_BYTES  200 /* an event */

/* In a process of its own, on loopback, on the processor cpu if it is not negative; -1 with a
 * message on stderr. */
pid_t origin_start(int cpu, int *ret_port);

/* In this thread: NULL with a message on stderr. */
struct origin;
struct origin *origin_open(int *ret_port);
/* Connections included; NULL is fine. */
void origin_close(struct origin *o);
/* Can be read from (poll, epoll) when origin_turn has something to do. */
int origin_fd(const struct origin *o);
/* Serves what is there and does not wait.  Returns when the next chunk is due, in ns of the
 * monotonic clock: call it again then at the latest; UINT64_MAX = none. */
uint64_t origin_turn(struct origin *o);

#endif
