#include "config.h"

#include "analyze/overlap.h"

#include <string.h>

#include "base/uuid.h"
#include "capture/ledger_scan.h"

/* A row of an exchange for each model that worked on it: one nearly always. */
#define PARTS_MAX 64

/* What identifies a call.  Other writers cut their statistics short: those are no identifiers. */
static const struct identifier {
    enum ledger_column column;
    size_t len;
} identifiers[] = {
    {LEDGER_EXCHANGE_ID, UUID_TEXT_BYTES - 1},
    { LEDGER_CONTENT_ID, 32                 },
};

bool overlap_is_possible(const struct ledgers *l)
{
    return l->is_mixed && !l->count_shared;
}

/* --- the rows, where the statistics say that there is something --- */

struct parts {
    int64_t ptr[PARTS_MAX];
    size_t len;
};

static bool has_part(const struct parts *p, int64_t part)
{
    for (size_t i = 0; i < p->len; i++)
        if (p->ptr[i] == part)
            return true;
    return false;
}

/* The next row with that identifier: 1, 0 = none, -1. */
static int next_row(struct ledger_scan *s, const char *path, enum ledger_column column,
                    struct str id, struct err *err)
{
    int more;

    while ((more = ledger_scan_next(s, err)) > 0)
        if (!ledger_scan_is_null(s, column) && str_eq(ledger_scan_str(s, column), id))
            break;
    return more < 0 ? err_wrap(err, "'%s'", path) : more;
}

static int open_rows(const char *path, enum ledger_column column, struct ledger_scan **ret,
                     struct err *err)
{
    const enum ledger_column wanted[] = { column, LEDGER_PART, LEDGER_EXCHANGE_ID };

    return ledger_scan_open(path, wanted, ARRAY_LEN(wanted), ret, err);
}

static int find_parts(const char *path, enum ledger_column column, struct str id, struct parts *ret,
                      struct err *err)
{
    CLEANUP(ledger_scan_close) struct ledger_scan *s = NULL;
    int more;

    ret->len = 0;
    if (open_rows(path, column, &s, err) < 0)
        return -1;
    while (ret->len < PARTS_MAX && (more = next_row(s, path, column, id, err)) != 0) {
        if (more < 0)
            return -1;
        ret->ptr[ret->len++] = ledger_scan_int(s, LEDGER_PART);
    }
    return 0;
}

/* -1 where both ledgers have the same row of it; parts of one exchange may lie in several ledgers
 * that others have made of ours. */
static int compare_rows(const struct ledgers *l, const size_t pair[2], enum ledger_column column,
                        struct str id, struct err *err)
{
    CLEANUP(ledger_scan_close) struct ledger_scan *s = NULL;
    const char *one = l->paths.ptr[pair[0]], *other = l->paths.ptr[pair[1]];
    struct parts parts;
    int more;

    if (find_parts(one, column, id, &parts, err) < 0 || open_rows(other, column, &s, err) < 0)
        return -1;
    while ((more = next_row(s, other, column, id, err)) > 0)
        if (has_part(&parts, ledger_scan_int(s, LEDGER_PART))) {
            struct str call = ledger_scan_str(s, LEDGER_EXCHANGE_ID);
            return err_set(
                err, ERR_USAGE,
                "'%s' holds calls that '%s' holds too, such as %.*s, and they would count "
                "twice: name one of the two, or import everything into one archive, "
                "which keeps a record once; --count-shared counts them in both",
                other, one, STR_ARG(call));
        }
    return more;
}

/* --- the statistics --- */

static bool is_identifier(struct str s, const struct identifier *id)
{
    struct str rest = s;

    while (rest.len && (rest.ptr[0] == '0' || rest.ptr[0] == '-'))
        rest = str_sub(rest, 1, rest.len);
    return s.len == id->len && rest.len > 0; /* all zeros are none */
}

static void widen(struct str bounds[2], struct str min, struct str max)
{
    if (!bounds[0].ptr || str_cmp(min, bounds[0]) < 0)
        bounds[0] = min;
    if (!bounds[1].ptr || str_cmp(max, bounds[1]) > 0)
        bounds[1] = max;
}

static int note_bound(struct overlap *o, const struct ledgers *l, size_t index,
                      const struct identifier *id, struct str bound, struct err *err)
{
    bool is_new;

    if (!is_identifier(bound, id))
        return 0;
    struct map_entry *e = map_put(&o->bounds, bound, &is_new);
    if (is_new)
        e->value = index;
    if (e->value == index)
        return 0;
    return compare_rows(l, (size_t[]){ e->value, index }, id->column, bound, err);
}

int overlap_note(struct overlap *o, const struct ledgers *l, size_t index,
                 const struct parquet_file *file, const int columns[static LEDGER_COLUMN_COUNT],
                 struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(identifiers); i++) {
        int column = columns[identifiers[i].column];
        struct str bounds[2] = { { 0 }, { 0 } }, min, max;

        for (size_t g = 0; column >= 0 && g < parquet_group_count(file); g++)
            if (parquet_str_range(file, g, (size_t)column, &min, &max))
                widen(bounds, min, max);
        for (size_t b = 0; b < ARRAY_LEN(bounds); b++)
            if (note_bound(o, l, index, &identifiers[i], bounds[b], err) < 0)
                return -1;
    }
    return 0;
}

int overlap_check(const struct ledgers *l, struct err *err)
{
    CLEANUP(overlap_release) struct overlap o = { 0 };

    for (size_t i = 0; overlap_is_possible(l) && i < l->paths.len; i++) {
        CLEANUP(parquet_close) struct parquet_file *file = NULL;
        int columns[LEDGER_COLUMN_COUNT];
        if (ledger_open(l->paths.ptr[i], &file, columns, err) < 0 ||
            overlap_note(&o, l, i, file, columns, err) < 0)
            return -1;
    }
    return 0;
}

void overlap_release(struct overlap *o)
{
    map_release(&o->bounds);
}
