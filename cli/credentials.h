/* credentials - who we are to another server: from a file or the environment, never from the
 * command line, where every process of the machine could read them. */
#ifndef CLI_CREDENTIALS_H
#define CLI_CREDENTIALS_H

#include "analyze/clickhouse.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "cli/command.h"

#define CREDENTIALS_BYTES_MAX 16384

/* The rows of an option table for commands that need them. */
#define OPTIONS_CREDENTIALS                                                                        \
    OPTION(VALUE, .name = "credentials", .value = "FILE", .is_path = true,                         \
           .help = "a file that only you can read (mode 600) with USER:SECRET on its first line, " \
                   "instead of the environment"),                                                  \
        OPTION(VALUE, .name = "ca", .value = "FILE", .is_path = true,                              \
               .help = "trust the certificates of this PEM file instead of the system's")

struct credentials {
    struct buf text;                   /* what they lie in */
    const char *user, *secret, *token; /* NULL = none given */
};

/* path: a file with "USER:SECRET" or "USER:SECRET:TOKEN" on its first line, which nobody else may
 * read; NULL = the environment's variables of these names (token may be NULL). */
int credentials_read(const char *path, const char *const names[static 3], struct credentials *ret,
                     struct err *err);
/* Wipes them. */
void credentials_release(struct credentials *c);
DEFINE_CLEANUP_VALUE(struct credentials, credentials_release)

/* A ClickHouse server, by --credentials or CLICKHOUSE_USER and CLICKHOUSE_PASSWORD, and --ca. */
int credentials_clickhouse(const struct invocation *inv, struct str url, struct clickhouse **ret,
                           struct err *err);

#endif
