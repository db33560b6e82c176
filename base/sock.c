#include "config.h"

#include "base/sock.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static enum sock_result result_of(enum tls_status status)
{
    static const enum sock_result results[] = {
        [TLS_DONE] = SOCK_DONE,  [TLS_WANT_READ] = SOCK_AGAIN, [TLS_WANT_WRITE] = SOCK_AGAIN,
        [TLS_CLOSED] = SOCK_END, [TLS_FAILED] = SOCK_FAILED,
    };

    return results[status];
}

/* The handshake goes before anything else: SOCK_DONE once it is over. */
static enum sock_result shake_hands(struct sock *s)
{
    struct err err;

    if (!s->in_handshake)
        return SOCK_DONE;
    enum sock_result r = result_of(tls_conn_handshake(s->tls, s->why ? s->why : &err));
    s->in_handshake = r != SOCK_DONE;
    return r;
}

enum sock_result sock_read(struct sock *s, void *ret, size_t size, size_t *ret_len)
{
    struct err err;

    if (s->tls) {
        enum sock_result r = shake_hands(s);
        return r == SOCK_DONE ? result_of(tls_conn_read(s->tls, ret, size, ret_len, &err)) : r;
    }
    ssize_t n;
    do {
        n = recv(s->fd, ret, size, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        *ret_len = (size_t)n;
    if (n >= 0)
        return n > 0 ? SOCK_DONE : SOCK_END;
    return errno == EAGAIN || errno == EWOULDBLOCK ? SOCK_AGAIN : SOCK_FAILED;
}

enum sock_result sock_write(struct sock *s, struct str bytes, size_t *ret_len)
{
    struct err err;

    if (s->tls)
        return s->in_handshake ? SOCK_AGAIN
                               : result_of(tls_conn_write(s->tls, bytes, ret_len, &err));
    ssize_t n;
    do {
        n = send(s->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        *ret_len = (size_t)n;
        return SOCK_DONE;
    }
    return n == 0 || errno == EAGAIN || errno == EWOULDBLOCK ? SOCK_AGAIN : SOCK_FAILED;
}

bool sock_has_pending(const struct sock *s)
{
    return s->tls && !s->in_handshake && tls_conn_has_pending(s->tls);
}

void sock_close(struct sock *s, bool reset)
{
    if (s->fd < 0)
        return;
    if (reset) {
        struct linger now = { .l_onoff = 1 };
        setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    } else if (s->tls) {
        tls_conn_shutdown(s->tls);
    }
    tls_conn_free(s->tls);
    s->tls = NULL;
    close(s->fd);
    s->fd = -1;
}
