/* A certificate of an authority of one's own: for those who are told, and nobody else. */
#include "config.h"

#include "base/tls_authority.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/str.h"
#include "base/timestamp.h"
#include "base/tls.h"
#include "tests/check_main.h"

#define NAMES "DNS:localhost,IP:127.0.0.1"
#define DAY   (24 * 3600 * US_PER_SECOND)

static X509 *read_cert(const struct buf *pem)
{
    BIO *bio = BIO_new_mem_buf(pem->ptr, (int)pem->len);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    ck_assert_ptr_nonnull(cert);
    BIO_free(bio);
    return cert;
}

/* As the strictest of clients do; X509_V_OK or what is wrong. */
static int verify(const struct buf *ca_pem, const struct buf *cert_pem, const char *host,
                  int64_t at_us)
{
    X509 *ca = read_cert(ca_pem), *cert = read_cert(cert_pem);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();

    X509_STORE_add_cert(store, ca);
    X509_STORE_CTX_init(ctx, store, cert, NULL);
    X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_X509_STRICT);
    X509_VERIFY_PARAM_set_purpose(p, X509_PURPOSE_SSL_SERVER);
    X509_VERIFY_PARAM_set_time(p, (time_t)(at_us / US_PER_SECOND));
    if (host[0] >= '0' && host[0] <= '9')
        X509_VERIFY_PARAM_set1_ip_asc(p, host);
    else
        X509_VERIFY_PARAM_set1_host(p, host, 0);
    int r = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    X509_free(ca);
    X509_free(cert);
    return r;
}

static const struct {
    const char *host;
    int64_t after_us;
    int verified;
} rows[] = {
    {"localhost",  0,        X509_V_OK                     },
    { "127.0.0.1", 9 * DAY,  X509_V_OK                     },
    { "elsewhere", 0,        X509_V_ERR_HOSTNAME_MISMATCH  },
    { "127.0.0.2", 0,        X509_V_ERR_IP_ADDRESS_MISMATCH},
    { "localhost", 11 * DAY, X509_V_ERR_CERT_HAS_EXPIRED   },
    { "localhost", -DAY,     X509_V_ERR_CERT_NOT_YET_VALID },
};

START_TEST(who_is_told_of_it_trusts_what_it_is_for)
{
    CLEANUP(tls_authority_release) struct tls_authority a;
    struct err err;
    int64_t now_us = clock_now_us();

    ck_assert_msg(tls_authority_make(&a, NAMES, now_us, 10, &err) == 0, "%s", err.text);
    ck_assert_int_eq(verify(&a.ca, &a.cert, rows[_i].host, now_us + rows[_i].after_us),
                     rows[_i].verified);
}
END_TEST

START_TEST(another_one_vouches_for_none_of_it)
{
    CLEANUP(tls_authority_release) struct tls_authority a, b;
    struct err err;
    int64_t now_us = clock_now_us();

    ck_assert_int_eq(tls_authority_make(&a, NAMES, now_us, 10, &err), 0);
    ck_assert_int_eq(tls_authority_make(&b, NAMES, now_us, 10, &err), 0);
    ck_assert_int_ne(verify(&b.ca, &a.cert, "localhost", now_us), X509_V_OK);
    ck_assert(!str_eq(buf_str(&a.key), buf_str(&b.key)));
    /* nor what it vouches for itself */
    ck_assert_int_ne(verify(&a.cert, &a.cert, "127.0.0.1", now_us - 2 * DAY), X509_V_OK);
}
END_TEST

START_TEST(it_can_be_served_with)
{
    CLEANUP(tls_authority_release) struct tls_authority a;
    CLEANUP(tls_context_unref) struct tls_context *c = NULL;
    struct err err;
    int64_t now_us = clock_now_us();

    ck_assert_int_eq(tls_authority_make(&a, NAMES, now_us, 10, &err), 0);
    struct tls_options o = {
        .cert_path = "c", .key_path = "k", .cert_pem = buf_str(&a.cert), .key_pem = buf_str(&a.key)
    };
    ck_assert_msg(tls_context_load(&o, &c, &err) == 0, "%s", err.text);
    ck_assert_int_eq(tls_context_not_after(c), now_us / US_PER_SECOND + 10 * 24 * 3600);
}
END_TEST

START_TEST(names_that_are_none_are_an_error)
{
    struct tls_authority a;
    struct err err;

    ck_assert_int_eq(tls_authority_make(&a, "IP:nowhere", clock_now_us(), 10, &err), -1);
    ck_assert_msg(strstr(err.text, "cannot make a certificate: ") == err.text, "%s", err.text);
    ck_assert_uint_eq(a.key.cap, 0);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, who_is_told_of_it_trusts_what_it_is_for, 0, (int)ARRAY_LEN(rows));
    tcase_add_test(tc, another_one_vouches_for_none_of_it);
    tcase_add_test(tc, it_can_be_served_with);
    tcase_add_test(tc, names_that_are_none_are_an_error);
}
CHECK_MAIN("base/tls_authority", add_tests)
