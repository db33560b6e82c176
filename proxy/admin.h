/* admin - what operators and machines ask: HTTP for /healthz, /readyz, /metrics, and one word over
 * a Unix socket for `weir proxy status` and `weir proxy drain`.
 *
 * The one who answers is given as functions; nothing of the traffic's content is within reach.
 */
#ifndef PROXY_ADMIN_H
#define PROXY_ADMIN_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"

#define ADMIN_CONNECTIONS_MAX 64
#define ADMIN_WORD_MAX        64

struct admin_answers {
    bool (*is_ready)(void *ctx);
    void (*metrics)(void *ctx, struct buf *out);
    /* What a word (without its newline) brings; false = not known. */
    bool (*command)(void *ctx, struct str word, struct buf *out);
    void *ctx;
};

struct admin;

/* http_fd and word_fd are listening sockets or -1; the caller closes them after admin_close. */
int admin_open(struct loop *l, int http_fd, int word_fd, const struct admin_answers *answers,
               struct admin **ret, struct err *err);
void admin_close(struct admin *a);

#endif
