#include "config.h"

#include "base/tls_authority.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/timestamp.h"

#define EARLIER_SECONDS 3600 /* for clocks that differ */
#define SERIAL_BYTES    16

DEFINE_CLEANUP(X509, X509_free)
DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free)
DEFINE_CLEANUP(BIO, BIO_vfree)

void tls_authority_release(struct tls_authority *a)
{
    buf_release(&a->ca);
    buf_release(&a->cert);
    if (a->key.len)
        explicit_bzero(a->key.ptr, a->key.len);
    buf_release(&a->key);
}

static int fail(struct err *err)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return err_set(err, ERR_SYS, "cannot make a certificate: %s", text ? text : "no reason given");
}

struct extension {
    int nid;
    const char *value;
};

static int extend(X509 *cert, X509 *issuer, const struct extension *e)
{
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, e->nid, e->value);
    int r = extension && X509_add_ext(cert, extension, -1) == 1 ? 0 : -1;
    X509_EXTENSION_free(extension);
    return r;
}

struct asked {
    const char *common_name;
    const struct extension *extensions; /* until one without value */
    time_t now;
    int days;
};

/* For the key, unsigned. */
static X509 *draft(const struct asked *a, EVP_PKEY *key, X509 *issuer)
{
    CLEANUP(X509_free) X509 *cert = mem_check(X509_new());
    unsigned char serial[SERIAL_BYTES];
    const unsigned char *text = (const unsigned char *)a->common_name;
    time_t now = a->now;

    if (RAND_bytes(serial, sizeof(serial)) != 1)
        return NULL;
    serial[0] &= 0x7f; /* positive */
    BIGNUM *number = BN_bin2bn(serial, sizeof(serial), NULL);
    bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) &&
              X509_set_version(cert, X509_VERSION_3) == 1 && X509_set_pubkey(cert, key) == 1 &&
              X509_time_adj_ex(X509_getm_notBefore(cert), 0, -EARLIER_SECONDS, &now) &&
              X509_time_adj_ex(X509_getm_notAfter(cert), a->days, 0, &now) &&
              X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8, text, -1,
                                         -1, 0) == 1 &&
              X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert)) == 1;
    BN_free(number);
    for (const struct extension *e = a->extensions; ok && e->value; e++)
        ok = extend(cert, issuer ? issuer : cert, e) == 0;
    return ok ? TAKE(cert) : NULL;
}

static int write_pem(BIO *bio, struct buf *ret)
{
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);

    if (len <= 0)
        return -1;
    buf_add(ret, text, (size_t)len);
    return 0;
}

static int write_cert(X509 *cert, struct buf *ret)
{
    CLEANUP(BIO_vfree) BIO *bio = mem_check(BIO_new(BIO_s_mem()));

    return PEM_write_bio_X509(bio, cert) == 1 ? write_pem(bio, ret) : -1;
}

static int write_key(EVP_PKEY *key, struct buf *ret)
{
    CLEANUP(BIO_vfree) BIO *bio = mem_check(BIO_new(BIO_s_secmem()));

    return PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 ? write_pem(bio, ret)
                                                                              : -1;
}

int tls_authority_make(struct tls_authority *ret, const char *names, int64_t now_us, int days,
                       struct err *err)
{
    static const struct extension of_ca[] = {
        {NID_basic_constraints,       "critical,CA:TRUE,pathlen:0"  },
        { NID_key_usage,              "critical,keyCertSign,cRLSign"},
        { NID_subject_key_identifier, "hash"                        },
        { 0,                          NULL                          },
    };
    const struct extension of_cert[] = {
        {NID_basic_constraints,         "critical,CA:FALSE"        },
        { NID_key_usage,                "critical,digitalSignature"},
        { NID_ext_key_usage,            "serverAuth"               },
        { NID_subject_key_identifier,   "hash"                     },
        { NID_authority_key_identifier, "keyid"                    },
        { NID_subject_alt_name,         names                      },
        { 0,                            NULL                       },
    };
    const time_t now = (time_t)(now_us / US_PER_SECOND);
    const struct asked ca_asked = { "weir's stand-ins", of_ca, now, days };
    const struct asked asked = { "a stand-in of weir", of_cert, now, days };

    *ret = (struct tls_authority){ 0 };
    CLEANUP(EVP_PKEY_free) EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
    CLEANUP(X509_free) X509 *ca = ca_key ? draft(&ca_asked, ca_key, NULL) : NULL;
    CLEANUP(X509_free) X509 *cert = ca && key ? draft(&asked, key, ca) : NULL;
    if (cert && X509_sign(ca, ca_key, EVP_sha256()) > 0 &&
        X509_sign(cert, ca_key, EVP_sha256()) > 0 && write_cert(ca, &ret->ca) == 0 &&
        write_cert(cert, &ret->cert) == 0 && write_key(key, &ret->key) == 0)
        return 0;
    tls_authority_release(ret);
    return fail(err);
}
