/* foreign_read - what the readers of formats share (private to replay/foreign). */
#ifndef REPLAY_FOREIGN_READ_H
#define REPLAY_FOREIGN_READ_H

#include "replay/foreign.h"

/* The reading of one file. */
struct foreign {
    struct plan *plan;
    struct lint *lint;
    const struct foreign_file *file;
    const struct yaml *y; /* the file's */
    struct err *err;
};

/* What becomes of the key at a path: names and "*" (any name) with dots, "[]" for an item of a
 * list, "**" at the end for everything below.  The first row that fits counts. */
struct foreign_key {
    const char *path;
    enum lint_fidelity fidelity;
    const char *note;
};

/* Accounts for every value below root; rows end with path NULL.  What fits none is unknown: a
 * finding. */
void foreign_account(struct foreign *f, const struct yaml_node *root,
                     const struct foreign_key *rows);

struct plan_place foreign_at(const struct foreign *f, const struct yaml_node *n);
/* The key's place, if n has one. */
struct plan_place foreign_key_at(const struct foreign *f, const struct yaml_node *n);
/* Reads of optional values: n NULL or null leaves *ret as it is.  A number of that many
 * microseconds; "100ms", "30s", "1h2m"; a count up to max; a decimal in millionths. */
int foreign_time(struct foreign *f, const struct yaml_node *n, int64_t unit_us,
                 struct plan_value *ret);
int foreign_duration(struct foreign *f, const struct yaml_node *n, struct plan_value *ret);
int foreign_count(struct foreign *f, const struct yaml_node *n, int64_t max,
                  struct plan_value *ret);
int foreign_weight(struct foreign *f, const struct yaml_node *n, struct plan_value *ret);
/* A list of statuses, added to *ret; an empty list sets it, too. */
int foreign_statuses(struct foreign *f, const struct yaml_node *n, struct plan_when *ret);
/* NULL unless there and of that kind; another kind is an error: -1. */
int foreign_get(struct foreign *f, const struct yaml_node *map, const char *key,
                enum yaml_kind kind, const struct yaml_node **ret);
/* The text of a scalar member, or an empty str. */
struct str foreign_text(const struct yaml_node *map, const char *key);
struct plan_node *foreign_node(struct foreign *f, enum plan_kind kind, struct str name,
                               const struct yaml_node *at);
struct plan_node *foreign_nodef(struct foreign *f, enum plan_kind kind, const struct yaml_node *at,
                                const char *fmt, ...) __attribute__((format(printf, 4, 5)));

int foreign_read_litellm(struct foreign *f);
int foreign_read_portkey(struct foreign *f);
int foreign_read_tensorzero(struct foreign *f);
int foreign_read_bifrost(struct foreign *f);
int foreign_read_envoy(struct foreign *f, const struct foreign_file *files, size_t count);

#endif
