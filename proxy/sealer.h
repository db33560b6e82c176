/* sealer - a child process that seals what is ready: idle priority, no network. */
#ifndef PROXY_SEALER_H
#define PROXY_SEALER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "capture/archive.h"
#include "capture/key.h"
#include "proxy/log.h"

struct sealer_options {
    const struct archive *archive;
    const struct key *key; /* NULL = the archive's own */
    const struct log_sink *log;
    const char *created_by;
    uint64_t wall_us;
    void (*leave)(int code);
};

/* Whether a journal waits whose writer is done with it, or has died. */
bool sealer_has_work(const struct archive *a);
/* Forks; the child seals and leaves with 0 or 1. */
int sealer_start(const struct sealer_options *options, pid_t *ret, struct err *err);

#endif
