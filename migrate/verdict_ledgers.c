/* The ledgers that an archive's chain vouches for. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/timestamp.h"
#include "capture/chain.h"
#include "migrate/verdict_parts.h"

static void add(const struct archive *a, const struct chain_line *line, struct map *by_id,
                struct ledger_list *ret)
{
    struct ledger_ref l = { 0 };

    if (!timestamp_parse(line->date, &l.day_us))
        return; /* the chain's own reader has looked at it */
    l.path =
        archive_path(a, "ledger/date=%.*s/%.*s.parquet", STR_ARG(line->date), STR_ARG(line->id));
    l.segment_path =
        archive_path(a, "segments/date=%.*s/%.*s.tar.zst", STR_ARG(line->date), STR_ARG(line->id));
    memcpy(l.id, line->id.ptr, line->id.len < sizeof(l.id) ? line->id.len : sizeof(l.id) - 1);
    hex_encode(line->ledger_sha, SHA256_BYTES, l.sha);
    hex_encode(line->segment_sha, SHA256_BYTES, l.segment_sha);
    map_put(by_id, line->id, NULL)->value = ret->list.len;
    vec_push(&ret->list, l);
}

static int by_day(const void *a, const void *b)
{
    const struct ledger_ref *x = a, *y = b;

    if (x->day_us != y->day_us)
        return x->day_us < y->day_us ? -1 : 1;
    return strcmp(x->id, y->id);
}

static int read_lines(const struct archive *a, struct chain *chain, uint64_t most,
                      struct ledger_list *ret, struct err *err)
{
    CLEANUP(map_release) struct map by_id = { 0 };
    struct chain_line line;
    int r = 0;

    while ((most == 0 || chain->number < most) && (r = chain_next(chain, &line, err)) > 0) {
        const struct map_entry *e = map_find(&by_id, line.id);
        if (line.kind == CHAIN_SEGMENT)
            add(a, &line, &by_id, ret);
        else if (e && line.kind == CHAIN_PRUNE_LEDGER)
            ret->list.ptr[e->value].is_pruned = true;
        else if (e)
            ret->list.ptr[e->value].has_no_bodies = true;
    }
    if (r < 0)
        return err_wrap(err, "archive '%s': chain", a->path);
    if (chain->number < most)
        return err_set(err, ERR_CORRUPT,
                       "archive '%s': the chain has %" PRIu64 " lines and should have %" PRIu64
                       ": it was cut, or this is another archive",
                       a->path, chain->number, most);
    ret->chain_lines = chain->number;
    hex_encode(chain->last_sha, SHA256_BYTES, ret->chain_sha);
    return 0;
}

int ledger_list_read(const struct archive *a, uint64_t chain_lines, struct ledger_list *ret,
                     struct err *err)
{
    CLEANUP(chain_close) struct chain chain = { 0 };
    char *path = archive_path(a, "chain");
    int r = chain_open(path, &chain, err);

    free(path);
    if (r < 0 || read_lines(a, &chain, chain_lines, ret, err) < 0)
        return -1;
    if (ret->list.len)
        qsort(ret->list.ptr, ret->list.len, sizeof(*ret->list.ptr), by_day);
    return 0;
}

static int check_file(const char *path, const char *wanted, struct err *err)
{
    uint8_t sha[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];

    if (sha256_of_file(path, sha, err) < 0)
        return -1;
    if (strcmp(hex_encode(sha, SHA256_BYTES, hex), wanted) != 0)
        return err_set(err, ERR_CORRUPT,
                       "'%s' is not what was sealed: its SHA-256 differs from the chain's; nothing "
                       "is judged by it, see weir-capture-verify(1)",
                       path);
    return 0;
}

int ledger_list_check(struct ledger_ref *l, struct err *err)
{
    if (!l->was_read && check_file(l->path, l->sha, err) < 0)
        return -1;
    l->was_read = true;
    return 0;
}

int ledger_list_check_segment(const struct ledger_ref *l, struct err *err)
{
    return check_file(l->segment_path, l->segment_sha, err);
}

void ledger_list_release(struct ledger_list *l)
{
    for (size_t i = 0; i < l->list.len; i++) {
        free(l->list.ptr[i].path);
        free(l->list.ptr[i].segment_path);
    }
    vec_release(&l->list);
}
