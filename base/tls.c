#include "config.h"

#include "base/tls.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct ticket_key {
    unsigned char name[16], aes[32], hmac[32];
};
static_assert(sizeof(struct ticket_key) == TLS_TICKET_KEY_BYTES, "what is handed in");

struct tls_context {
    atomic_uint references;
    SSL_CTX *ssl;
    int64_t not_after;
    bool no_h2;
    struct ticket_key ticket_keys[TLS_TICKET_KEYS_MAX]; /* the first makes tickets */
    size_t ticket_key_count;
};

struct tls_conn {
    struct tls_context *context;
    SSL *ssl;
    bool refuses, has_refused;
};

/* What OpenSSL says about the last failure of this thread; empties its queue. */
static const char *reason(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return text ? text : "no reason is given";
}

/* --- contexts --- */

static const unsigned char protocols[] = "\x02h2\x08http/1.1";
#define H2_BYTES 3u

static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
                           const unsigned char *offered, unsigned offered_len, void *ctx)
{
    const struct tls_context *c = ctx;
    unsigned skip = c->no_h2 ? H2_BYTES : 0;
    unsigned char *chosen = NULL;

    (void)ssl;
    if (SSL_select_next_proto(&chosen, ret_len, protocols + skip,
                              (unsigned)sizeof(protocols) - 1 - skip, offered,
                              offered_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* OpenSSL's own would ask on the terminal. */
static int no_password(char *ret, int size, int for_writing, void *ctx)
{
    (void)ret, (void)size, (void)for_writing, (void)ctx;
    return -1;
}

static BIO *bio_of(struct str pem)
{
    return mem_check(BIO_new_mem_buf(pem.ptr, pem.len > INT_MAX ? INT_MAX : (int)pem.len));
}

/* The end of a PEM text is an error in OpenSSL's queue, too. */
static bool ended_well(void)
{
    unsigned long code = ERR_peek_last_error();
    bool is_end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;

    if (is_end)
        ERR_clear_error();
    return is_end;
}

/* As SSL_CTX_use_certificate_chain_file, from memory. */
static bool use_chain(struct tls_context *c, struct str pem)
{
    BIO *bio = bio_of(pem);
    X509 *cert = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL);
    bool ok = cert && SSL_CTX_use_certificate(c->ssl, cert) == 1;

    X509_free(cert);
    while (ok && (cert = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
        ok = SSL_CTX_add0_chain_cert(c->ssl, cert) == 1;
        if (!ok)
            X509_free(cert);
    }
    BIO_free(bio);
    return ok && ended_well();
}

static bool use_key(struct tls_context *c, struct str pem)
{
    BIO *bio = bio_of(pem);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    bool ok = key && SSL_CTX_use_PrivateKey(c->ssl, key) == 1;

    EVP_PKEY_free(key);
    BIO_free(bio);
    return ok;
}

static int load_files(struct tls_context *c, const struct tls_options *o, struct err *err)
{
    SSL_CTX_set_default_passwd_cb(c->ssl, no_password);
    if (o->cert_pem.len ? !use_chain(c, o->cert_pem)
                        : SSL_CTX_use_certificate_chain_file(c->ssl, o->cert_path) != 1)
        return err_set(err, ERR_USAGE, "cannot load the certificate '%s': %s", o->cert_path,
                       reason());
    if (o->key_pem.len ? !use_key(c, o->key_pem)
                       : SSL_CTX_use_PrivateKey_file(c->ssl, o->key_path, SSL_FILETYPE_PEM) != 1)
        return err_set(err, ERR_USAGE, "cannot load the key '%s': %s", o->key_path, reason());
    if (SSL_CTX_check_private_key(c->ssl) != 1)
        return err_set(err, ERR_USAGE, "the key '%s' is not the certificate's, '%s': %s",
                       o->key_path, o->cert_path, reason());
    return 0;
}

static int read_not_after(struct tls_context *c, const char *path, struct err *err)
{
    const X509 *cert = SSL_CTX_get0_certificate(c->ssl);
    struct tm tm = { 0 };

    if (!cert || ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
        return err_set(err, ERR_USAGE, "the certificate '%s' has no readable end of validity",
                       path);
    c->not_after = timegm(&tm);
    return 0;
}

/* --- tickets: OpenSSL's own keys would be one for ever --- */

/* Given ones; else those of before, so that a session begun under the old certificate can be
 * resumed under the new one; else new ones. */
static void set_ticket_keys(struct tls_context *c, struct str given, const struct tls_context *old)
{
    struct str keys = given;

    if (!keys.len && old)
        keys = (struct str){ (const char *)old->ticket_keys,
                             old->ticket_key_count * TLS_TICKET_KEY_BYTES };
    assert(keys.len % TLS_TICKET_KEY_BYTES == 0 && keys.len <= sizeof(c->ticket_keys));
    if (keys.len)
        memcpy(c->ticket_keys, keys.ptr, keys.len);
    else if (RAND_bytes((unsigned char *)c->ticket_keys, TLS_TICKET_KEY_BYTES) != 1)
        abort();
    c->ticket_key_count = keys.len ? keys.len / TLS_TICKET_KEY_BYTES : 1;
}

static bool set_mac(const struct ticket_key *k, EVP_MAC_CTX *mac)
{
    char digest[] = "sha256";
    unsigned char secret[sizeof(k->hmac)];
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret, sizeof(secret)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    memcpy(secret, k->hmac, sizeof(secret));
    bool ok = EVP_MAC_CTX_set_params(mac, params) == 1;
    OPENSSL_cleanse(secret, sizeof(secret));
    return ok;
}

static int make_ticket(const struct ticket_key *k, unsigned char *name, unsigned char *iv,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1 ||
        EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k->aes, iv) != 1 || !set_mac(k, mac))
        return -1;
    memcpy(name, k->name, sizeof(k->name));
    return 1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 0 = none of ours, 1 = fine, 2 = fine, and give another.
 */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int makes)
{
    const struct tls_context *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    if (makes)
        return make_ticket(&c->ticket_keys[0], name, iv, cipher, mac);
    for (size_t i = 0; i < c->ticket_key_count; i++) {
        const struct ticket_key *k = &c->ticket_keys[i];
        if (CRYPTO_memcmp(k->name, name, sizeof(k->name)) != 0)
            continue;
        if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k->aes, iv) != 1 ||
            !set_mac(k, mac))
            return -1;
        return i == 0 ? 1 : 2;
    }
    return 0;
}

static int on_hello(SSL *ssl, int *alert, void *ctx)
{
    struct tls_conn *t = SSL_get_app_data(ssl);

    (void)ctx;
    if (!t->refuses)
        return SSL_CLIENT_HELLO_SUCCESS;
    t->has_refused = true;
    *alert = SSL_AD_HANDSHAKE_FAILURE;
    return SSL_CLIENT_HELLO_ERROR;
}

int tls_context_load(const struct tls_options *options, struct tls_context **ret, struct err *err)
{
    static const unsigned char session_context[] = "weir";
    CLEANUP(tls_context_unref) struct tls_context *c = mem_calloc(1, sizeof(*c));

    atomic_init(&c->references, 1);
    c->no_h2 = options->no_h2;
    ERR_clear_error();
    c->ssl = mem_check(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_set_min_proto_version(c->ssl, TLS1_2_VERSION);
    SSL_CTX_set_options(c->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /* Without RELEASE_BUFFERS an idle connection holds 34 KiB. */
    SSL_CTX_set_mode(c->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_id_context(c->ssl, session_context, sizeof(session_context) - 1);
    SSL_CTX_set_alpn_select_cb(c->ssl, choose_protocol, c);
    if (options->may_refuse)
        SSL_CTX_set_client_hello_cb(c->ssl, on_hello, NULL);
    if (load_files(c, options, err) < 0 || read_not_after(c, options->cert_path, err) < 0)
        return -1;
    set_ticket_keys(c, options->ticket_keys, options->replaces);
    SSL_CTX_set_app_data(c->ssl, c);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(c->ssl, on_ticket);
    *ret = TAKE(c);
    return 0;
}

struct tls_context *tls_context_ref(struct tls_context *c)
{
    atomic_fetch_add(&c->references, 1);
    return c;
}

void tls_context_unref(struct tls_context *c)
{
    if (!c || atomic_fetch_sub(&c->references, 1) > 1)
        return;
    SSL_CTX_free(c->ssl);
    OPENSSL_cleanse(c->ticket_keys, sizeof(c->ticket_keys));
    free(c);
}

int64_t tls_context_not_after(const struct tls_context *c)
{
    return c->not_after;
}

/* --- connections --- */

struct tls_conn *tls_conn_new(struct tls_context *c, int fd)
{
    struct tls_conn *t = mem_calloc(1, sizeof(*t));

    t->context = tls_context_ref(c);
    t->ssl = mem_check(SSL_new(c->ssl));
    mem_check(SSL_set_fd(t->ssl, fd) == 1 ? t : NULL); /* allocates, and fails of nothing else */
    SSL_set_accept_state(t->ssl);
    SSL_set_app_data(t->ssl, t);
    return t;
}

void tls_conn_refuse(struct tls_conn *t)
{
    t->refuses = true;
}

bool tls_conn_has_refused(const struct tls_conn *t)
{
    return t->has_refused;
}

void tls_conn_free(struct tls_conn *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    tls_context_unref(t->context);
    free(t);
}

/* What a call that gave r <= 0 means; errno is still that of its last system call. */
static enum tls_status status_of(struct tls_conn *t, int r, const char *doing, struct err *err)
{
    int sys = errno;
    int kind = SSL_get_error(t->ssl, r);

    if (kind == SSL_ERROR_WANT_READ)
        return TLS_WANT_READ;
    if (kind == SSL_ERROR_WANT_WRITE)
        return TLS_WANT_WRITE;
    if (kind == SSL_ERROR_ZERO_RETURN)
        return TLS_CLOSED;
    errno = sys;
    if (kind == SSL_ERROR_SYSCALL && ERR_peek_error() == 0 && sys != 0)
        err_sys(err, "cannot %s TLS", doing);
    else
        err_set(err, ERR_CORRUPT, "cannot %s TLS: %s", doing, reason());
    ERR_clear_error();
    return TLS_FAILED;
}

static void prepare(void)
{
    ERR_clear_error();
    errno = 0;
}

enum tls_status tls_conn_handshake(struct tls_conn *t, struct err *err)
{
    prepare();
    int r = SSL_do_handshake(t->ssl);
    if (r == 1)
        return TLS_DONE;
    enum tls_status status = status_of(t, r, "begin", err);
    if (status != TLS_CLOSED)
        return status;
    err_set(err, ERR_CORRUPT, "cannot begin TLS: the client closed it");
    return TLS_FAILED;
}

enum tls_status tls_conn_read(struct tls_conn *t, void *ret, size_t size, size_t *ret_len,
                              struct err *err)
{
    assert(size > 0);
    prepare();
    int r = SSL_read_ex(t->ssl, ret, size, ret_len);
    return r == 1 ? TLS_DONE : status_of(t, r, "read", err);
}

enum tls_status tls_conn_write(struct tls_conn *t, struct str bytes, size_t *ret_len,
                               struct err *err)
{
    assert(bytes.len > 0);
    prepare();
    int r = SSL_write_ex(t->ssl, bytes.ptr, bytes.len, ret_len);
    return r == 1 ? TLS_DONE : status_of(t, r, "write", err);
}

bool tls_conn_has_pending(const struct tls_conn *t)
{
    return SSL_has_pending(t->ssl) == 1;
}

void tls_conn_shutdown(struct tls_conn *t)
{
    prepare();
    /* After a fatal error OpenSSL wants no more calls; a handshake that is not over cannot end. */
    if (SSL_is_init_finished(t->ssl))
        SSL_shutdown(t->ssl);
    ERR_clear_error();
}

enum tls_alpn tls_conn_alpn(const struct tls_conn *t)
{
    const unsigned char *name;
    unsigned len;

    SSL_get0_alpn_selected(t->ssl, &name, &len);
    if (len == 0)
        return TLS_ALPN_NONE;
    return len == 2 ? TLS_ALPN_H2 : TLS_ALPN_HTTP1; /* the two that choose_protocol knows */
}

const char *tls_conn_version(const struct tls_conn *t)
{
    return SSL_get_version(t->ssl);
}

struct str tls_conn_server_name(const struct tls_conn *t)
{
    return str_from(SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name));
}

bool tls_conn_is_resumed(const struct tls_conn *t)
{
    return SSL_session_reused(t->ssl) == 1;
}
