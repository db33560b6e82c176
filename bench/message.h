/* message - where an HTTP/1.1 message ends, for the load's two ends: no more than they need.
 *
 * Content-Length and chunked framing are undone; within bodies "@" and 16 hexadecimal digits are
 * the time at which the sender wrote them, in nanoseconds of the monotonic clock.
 */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_HEAD_BYTES 4096u

enum message_state {
    MESSAGE_HEAD,
    MESSAGE_BODY,
    MESSAGE_SIZE_LINE,
    MESSAGE_CHUNK,
    MESSAGE_CHUNK_END,
    MESSAGE_LAST_LINE,
};

struct message {
    enum message_state state;
    char head[MESSAGE_HEAD_BYTES];
    size_t head_len;
    uint64_t left; /* of the body or chunk, or the size being read */
    bool size_ended;
    uint64_t stamp;
    int stamp_digits; /* read so far; -1 = none under way */
    /* For each stamp. */
    void (*on_stamp)(void *ctx, uint64_t sent_ns);
    void *ctx;
};

uint64_t message_now_ns(void);
/* Ready for the next message. */
void message_reset(struct message *m);
/* Takes bytes: 1 = it is complete, with *used of them; 0 = all are taken, more must come; -1 = this
 * cannot be read. */
int message_feed(struct message *m, const char *bytes, size_t len, size_t *used);
/* 0 if the head has none. */
unsigned message_status(const struct message *m);

#endif
