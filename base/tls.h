/* tls - the server side of TLS on sockets that never block (OpenSSL 3).
 *
 * A context is a certificate, its key and what is offered: it never changes once loaded, is
 * counted, and may be shared by threads.  To reload, load another and hand that to new connections;
 * running ones keep theirs.  TLS 1.2 and newer, no renegotiation, session tickets.
 *
 * SIGPIPE must be ignored by the program.
 */
#ifndef BASE_TLS_H
#define BASE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

struct tls_context;
struct tls_conn;

/* The protocol agreed on by ALPN. */
enum tls_alpn {
    TLS_ALPN_NONE, /* the client offered none: HTTP/1.1 */
    TLS_ALPN_HTTP1,
    TLS_ALPN_H2,
};

#define TLS_TICKET_KEY_BYTES 80 /* a name, and a key each for AES-256 and HMAC-SHA-256 */
#define TLS_TICKET_KEYS_MAX  2

struct tls_options {
    const char *cert_path; /* PEM: the certificate, then its chain */
    const char *key_path;  /* PEM, without a password */
    /* What was read from them before: then the paths are for messages only. */
    struct str cert_pem, key_pem;
    bool no_h2;      /* offer HTTP/1.1 only */
    bool may_refuse; /* tls_conn_refuse will be used */
    /* TLS_TICKET_KEY_BYTES random ones that several processes share, so that clients resume with
     * any of them, and those that were so before, which are still taken; or empty. */
    struct str ticket_keys;
    /* The context this one replaces, or NULL: its ticket keys are kept if none are given. */
    const struct tls_context *replaces;
};

enum tls_status {
    TLS_DONE,
    TLS_WANT_READ,  /* call again when the socket can be read */
    TLS_WANT_WRITE, /* or written */
    TLS_CLOSED,     /* the peer ended it properly (close_notify) */
    TLS_FAILED,     /* err says why; a cut without close_notify is one, too */
};

/* Loads both and checks that they belong together.  The count begins at 1. */
int tls_context_load(const struct tls_options *options, struct tls_context **ret, struct err *err);
struct tls_context *tls_context_ref(struct tls_context *c);
/* Frees it with the last reference; NULL is fine. */
void tls_context_unref(struct tls_context *c);
DEFINE_CLEANUP(struct tls_context, tls_context_unref)
/* When the first certificate ends, in seconds since the epoch. */
int64_t tls_context_not_after(const struct tls_context *c);

/* A connection on fd (non-blocking, the caller closes it after tls_conn_free).  Holds a reference.
 */
struct tls_conn *tls_conn_new(struct tls_context *c, int fd);
void tls_conn_free(struct tls_conn *t);
DEFINE_CLEANUP(struct tls_conn, tls_conn_free)
/* Before the handshake: it fails, with the fatal alert handshake_failure for the client's hello. */
void tls_conn_refuse(struct tls_conn *t);
/* That has happened. */
bool tls_conn_has_refused(const struct tls_conn *t);
/* Until TLS_DONE, before anything else. */
enum tls_status tls_conn_handshake(struct tls_conn *t, struct err *err);
/* TLS_DONE sets *ret_len > 0.  Bytes may wait within t where the socket has none: read until
 * TLS_WANT_READ, or ask tls_conn_has_pending. */
enum tls_status tls_conn_read(struct tls_conn *t, void *ret, size_t size, size_t *ret_len,
                              struct err *err);
/* TLS_DONE sets *ret_len, 1 to bytes.len.  After TLS_WANT_* the same bytes (at any address,
 * possibly with more behind them) must come first in the next call. */
enum tls_status tls_conn_write(struct tls_conn *t, struct str bytes, size_t *ret_len,
                               struct err *err);
bool tls_conn_has_pending(const struct tls_conn *t);
/* Sends close_notify if that does not block; waits for nothing. */
void tls_conn_shutdown(struct tls_conn *t);
enum tls_alpn tls_conn_alpn(const struct tls_conn *t);
/* "TLSv1.3": static. */
const char *tls_conn_version(const struct tls_conn *t);
/* The name the client asked for (SNI), or empty. */
struct str tls_conn_server_name(const struct tls_conn *t);
bool tls_conn_is_resumed(const struct tls_conn *t);

#endif
