/* sock - a connection that came in: a socket, with or without TLS, that never blocks. */
#ifndef BASE_SOCK_H
#define BASE_SOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "base/tls.h"

struct sock {
    int fd;
    struct tls_conn *tls; /* NULL = plain */
    bool in_handshake;
    struct err *why; /* where a handshake that fails says why; NULL = nobody asks */
};

enum sock_result {
    SOCK_DONE,   /* *ret_len > 0 */
    SOCK_AGAIN,  /* nothing now */
    SOCK_END,    /* the peer sends no more */
    SOCK_FAILED, /* reset, or broken TLS */
};

/* One read, or one write. */
enum sock_result sock_read(struct sock *s, void *ret, size_t size, size_t *ret_len);
enum sock_result sock_write(struct sock *s, struct str bytes, size_t *ret_len);
/* Bytes that the socket does not show any more wait within TLS. */
bool sock_has_pending(const struct sock *s);
/* reset: the peer gets an error instead of an end.  fd becomes -1. */
void sock_close(struct sock *s, bool reset);

#endif
