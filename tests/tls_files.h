/* tls_files - a key and a certificate that signs itself, as PEM files. */
#ifndef TESTS_TLS_FILES_H
#define TESTS_TLS_FILES_H

#include <check.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

static inline void tls_files_extend(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    ck_assert_ptr_nonnull(extension);
    ck_assert_int_eq(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

#define TLS_FILES_LOCAL "DNS:localhost,IP:127.0.0.1"
#define TLS_FILES_DAYS  30

static inline X509 *tls_files_sign(EVP_PKEY *key, const char *common_name, const char *names)
{
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), TLS_FILES_DAYS * 24 * 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1,
                               -1, 0);
    X509_set_issuer_name(cert, name);
    X509_set_pubkey(cert, key);
    tls_files_extend(cert, NID_subject_alt_name, names);
    tls_files_extend(cert, NID_basic_constraints, "critical,CA:TRUE");
    ck_assert_int_gt(X509_sign(cert, key, EVP_sha256()), 0);
    return cert;
}

/* names: whom it is for, as TLS_FILES_LOCAL. */
static inline void tls_files_make(const char *cert_path, const char *key_path,
                                  const char *common_name, const char *names)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = tls_files_sign(key, common_name, names);
    FILE *file = fopen(cert_path, "w");

    ck_assert(file && PEM_write_X509(file, cert) == 1);
    fclose(file);
    file = fopen(key_path, "w");
    ck_assert(file && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(file);
    X509_free(cert);
    EVP_PKEY_free(key);
}

#endif
