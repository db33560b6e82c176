/* yaml - a YAML 1.1 document (libyaml) as a tree that remembers where each node stood.
 *
 * JSON is accepted as the subset it is.  Aliases, tags other than the core ones, duplicate keys and
 * several documents are errors: configuration does not need them, and each has bitten someone.
 */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include <stdbool.h>
#include <stdint.h>

#include "base/decimal.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define YAML_NODES_MAX      2000000
#define YAML_DEPTH_MAX      64
#define YAML_FILE_BYTES_MAX (64u << 20)

enum yaml_kind {
    YAML_SCALAR,
    YAML_LIST,
    YAML_MAP,
};

struct yaml_node {
    enum yaml_kind kind;
    bool quoted;             /* a scalar written in quotes: never a number, bool or null */
    uint32_t line, column;   /* from 1 */
    struct str text;         /* scalar */
    struct yaml_node *key;   /* in a map's items: the key node, else NULL */
    struct yaml_node *items; /* first child */
    struct yaml_node *next;  /* sibling */
    size_t len;              /* children */
};

struct yaml;

/* name is what messages call the input ("weir.yaml"): errors read "weir.yaml:3:7: ...".  Columns
 * count characters.  The text is copied. */
int yaml_parse(struct str text, const char *name, struct yaml **ret, struct err *err);
int yaml_parse_file(const char *path, struct yaml **ret, struct err *err);
/* As yaml_parse, but several documents are fine: their roots are siblings, empty ones nulls. */
int yaml_parse_stream(struct str text, const char *name, struct yaml **ret, struct err *err);
/* libyaml exports a yaml_free of its own and calls it through the dynamic linker: a global of that
 * name here would replace it.  Hence an inline one. */
void yaml_tree_free(struct yaml *y);
static inline void yaml_free(struct yaml *y)
{
    yaml_tree_free(y);
}
DEFINE_CLEANUP(struct yaml, yaml_free)
/* NULL for an empty document.  Nodes live as long as y. */
const struct yaml_node *yaml_root(const struct yaml *y);

/* The value of key in a map, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
/* Typed reads: -1 with "name:line:column: expected ..., got ..." when the node is something else.
 * A string is any scalar but null; an integer is decimal without leading zeros; a bool is true or
 * false only (YAML 1.1's yes, no, on and off are refused with a hint). */
int yaml_str(const struct yaml *y, const struct yaml_node *n, struct str *ret, struct err *err);
int yaml_int(const struct yaml *y, const struct yaml_node *n, int64_t *ret, struct err *err);
int yaml_bool(const struct yaml *y, const struct yaml_node *n, bool *ret, struct err *err);
/* A decimal times 10^scale; more digits than that are an error. */
int yaml_decimal(const struct yaml *y, const struct yaml_node *n, int scale, i128 *ret,
                 struct err *err);
bool yaml_is_null(const struct yaml_node *n);
/* Sets err to "name:line:column: " and the text, without the place if n is NULL; returns -1. */
int yaml_err(const struct yaml *y, const struct yaml_node *n, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Every key of map must be in known (NULL-terminated): the first that is not is an error with the
 * nearest known name as a hint. */
int yaml_check_keys(const struct yaml *y, const struct yaml_node *map, const char *const *known,
                    struct err *err);

#endif
