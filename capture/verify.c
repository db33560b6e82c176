#include "config.h"

#include "capture/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/map.h"
#include "base/vec.h"
#include "capture/chain.h"
#include "capture/journal.h"
#include "capture/record.h"
#include "capture/verify_check.h"

/* A segment of the chain and what became of it. */
struct segment {
    struct chain_line line; /* strings live with the chain */
    char *path, *ledger_path;
    bool bodies_pruned, ledger_pruned;
    bool ledger_good; /* there, and its checksum is right */
};

struct check {
    const struct archive *archive;
    const struct verify_options *opts;
    struct verify_stats *stats;
    struct chain chain;
    VEC(struct segment) segments; /* in the chain's order */
    struct map by_id;             /* index into segments */
    struct map paths;             /* of files the chain knows, without the archive's path */
    bool chain_damaged;           /* then files may be missing from it for that reason alone */
};

static void check_release(struct check *c)
{
    for (size_t i = 0; i < c->segments.len; i++) {
        free(c->segments.ptr[i].path);
        free(c->segments.ptr[i].ledger_path);
    }
    vec_release(&c->segments);
    map_release(&c->by_id);
    map_release(&c->paths);
    chain_close(&c->chain);
}
DEFINE_CLEANUP_VALUE(struct check, check_release)

static void tell(verify_fn fn, void *ctx, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));
static void tell(verify_fn fn, void *ctx, const char *fmt, va_list args)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    if (!fn)
        return;
    buf_addvf(&text, fmt, args);
    fn(ctx, buf_cstr(&text));
}

static void finding(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void finding(struct check *c, const char *fmt, ...)
{
    va_list args;

    c->stats->findings++;
    va_start(args, fmt);
    tell(c->opts->finding, c->opts->ctx, fmt, args);
    va_end(args);
}

static void note(const struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void note(const struct check *c, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    tell(c->opts->note, c->opts->ctx, fmt, args);
    va_end(args);
}

/* Paths in messages are those in the archive. */
static const char *inside(const struct check *c, const char *path)
{
    return path + strlen(c->archive->path) + 1;
}

static void add_segment(struct check *c, const struct chain_line *line)
{
    bool is_new;
    struct map_entry *entry = map_put(&c->by_id, line->id, &is_new);

    if (!is_new) {
        finding(c, "chain: line %" PRIu64 ": segment %.*s for the second time", line->number,
                STR_ARG(line->id));
        return;
    }
    entry->value = c->segments.len;
    struct segment s = {
        .line = *line,
        .path = archive_path(c->archive, "segments/date=%.*s/%.*s.tar.zst", STR_ARG(line->date),
                             STR_ARG(line->id)),
        .ledger_path = archive_path(c->archive, "ledger/date=%.*s/%.*s.parquet",
                                    STR_ARG(line->date), STR_ARG(line->id)),
    };
    map_put(&c->paths, str_from(inside(c, s.path)), NULL);
    map_put(&c->paths, str_from(inside(c, s.ledger_path)), NULL);
    vec_push(&c->segments, s);
}

static void add_prune(struct check *c, const struct chain_line *line)
{
    struct map_entry *entry = map_find(&c->by_id, line->id);

    if (!entry) {
        finding(c, "chain: line %" PRIu64 ": prunes segment %.*s, which was never sealed",
                line->number, STR_ARG(line->id));
        return;
    }
    struct segment *s = &c->segments.ptr[entry->value];
    s->bodies_pruned = true;
    s->ledger_pruned |= line->kind == CHAIN_PRUNE_LEDGER;
}

static int check_chain(struct check *c, struct err *err)
{
    char *path = archive_path(c->archive, "chain");
    struct chain_line line;
    int r = chain_open(path, &c->chain, err);

    free(path);
    if (r < 0)
        return -1;
    while ((r = chain_next(&c->chain, &line, err)) != 0) {
        if (r < 0) {
            finding(c, "chain: %s", err->text);
            c->chain_damaged = true;
        } else if (line.kind == CHAIN_SEGMENT) {
            add_segment(c, &line);
        } else {
            add_prune(c, &line);
        }
    }
    if (c->chain.torn_bytes) {
        finding(c,
                "chain: line %" PRIu64 " at byte %" PRIu64 " ends after %zu bytes, without a "
                "newline (an interrupted seal leaves that; the next one repairs it)",
                c->chain.number + 1, c->chain.size_bytes, c->chain.torn_bytes);
        c->chain_damaged = true;
    }
    c->stats->chain_lines = c->chain.number;
    memcpy(c->stats->head, c->chain.last_sha, SHA256_BYTES);
    return 0;
}

/* Whether the file is there with the right checksum; tells otherwise. */
static bool check_file(struct check *c, const char *path, const uint8_t want[static SHA256_BYTES],
                       const struct segment *s)
{
    uint8_t sha[SHA256_BYTES];
    struct err err;
    struct stat st;

    if (stat(path, &st) < 0 && errno == ENOENT) {
        finding(c, "%s: is missing", inside(c, path));
        return false;
    }
    if (sha256_of_file(path, sha, &err) < 0) {
        finding(c, "%s: %s", inside(c, path), err.text);
        return false;
    }
    c->stats->bytes += (uint64_t)st.st_size;
    if (memcmp(sha, want, SHA256_BYTES) == 0)
        return true;
    if (path == s->path)
        verify_locate_segment(path, s->ledger_path, &err);
    else
        verify_locate_ledger(path, &err);
    finding(c, "%s: %s", inside(c, path), err.text);
    return false;
}

static void check_segment(struct check *c, struct segment *s)
{
    struct err err;
    bool segment_good = false;

    if (s->ledger_pruned)
        c->stats->pruned_ledgers++;
    else
        s->ledger_good = check_file(c, s->ledger_path, s->line.ledger_sha, s);
    if (s->bodies_pruned)
        c->stats->pruned_segments++;
    else
        segment_good = check_file(c, s->path, s->line.segment_sha, s);
    if ((s->bodies_pruned && file_exists(s->path)) ||
        (s->ledger_pruned && file_exists(s->ledger_path)))
        note(c, "segment %.*s: pruned in the chain, but not removed yet: the next prune does it",
             STR_ARG(s->line.id));
    c->stats->segments += segment_good;
    c->stats->ledgers += s->ledger_good;
    c->stats->exchanges += s->line.exchanges;
    c->stats->rows += s->line.rows;
    if (segment_good && s->ledger_good && !c->opts->quick &&
        verify_compare(s->path, s->ledger_path, &s->line, &err) < 0)
        finding(c, "%s: %s", inside(c, s->path), err.text);
}

static int by_writer(const void *a, const void *b)
{
    const struct segment *x = *(const struct segment *const *)a;
    const struct segment *y = *(const struct segment *const *)b;
    int order = str_cmp(x->line.writer, y->line.writer);

    return order ? order : str_cmp(x->line.date, y->line.date);
}

static int by_date(const void *a, const void *b)
{
    const struct segment *x = *(const struct segment *const *)a;
    const struct segment *y = *(const struct segment *const *)b;

    return str_cmp(x->line.date, y->line.date);
}

static int by_sequence(const void *a, const void *b)
{
    const struct verify_id *x = a, *y = b;

    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(&((const struct verify_id *)a)->id, &((const struct verify_id *)b)->id,
                  sizeof(struct uuid));
}

/* The ids of all good ledgers of some segments; false if one of them could not be read or is not
 * there to be read. */
static bool read_ids(struct check *c, struct segment *const *segments, size_t count,
                     struct verify_ids *ret)
{
    bool all = true;
    struct err err;

    for (size_t i = 0; i < count; i++) {
        if (segments[i]->ledger_good && verify_read_ids(segments[i]->ledger_path, ret, &err) < 0) {
            finding(c, "%s: %s", inside(c, segments[i]->ledger_path), err.text);
            segments[i]->ledger_good = false;
        }
        all = all && segments[i]->ledger_good;
    }
    return all;
}

/* All segments of one journal: every exchange of it once. */
static void check_writer(struct check *c, struct segment *const *segments, size_t count)
{
    CLEANUP(verify_ids_release) struct verify_ids ids = { 0 };
    const struct chain_line *first = &segments[0]->line;
    uint64_t exchanges = 0;

    for (size_t i = 0; i < count; i++) {
        const struct chain_line *line = &segments[i]->line;
        exchanges += line->exchanges;
        if (i && str_eq(line->date, segments[i - 1]->line.date))
            finding(c, "journal %.*s: %.*s was sealed twice", STR_ARG(line->writer),
                    STR_ARG(line->date));
        if (line->writer_exchanges != first->writer_exchanges)
            finding(c, "journal %.*s: the chain's lines disagree about its number of exchanges",
                    STR_ARG(line->writer));
    }
    if (first->writer_died)
        note(c,
             "journal %.*s: its writer died: what it had not brought to disk is not here, all of "
             "it behind exchange %" PRIu64 " or the rest of one that has no end",
             STR_ARG(first->writer), first->writer_exchanges);
    if (exchanges != first->writer_exchanges)
        finding(c, "journal %.*s: %" PRIu64 " of its %" PRIu64 " exchanges are in the chain",
                STR_ARG(first->writer), exchanges, first->writer_exchanges);
    if (!read_ids(c, segments, count, &ids))
        return; /* pruned, or told already */
    if (ids.len > 1)
        qsort(ids.ptr, ids.len, sizeof(*ids.ptr), by_sequence);
    for (size_t i = 0; i < ids.len; i++) {
        uint64_t before = i ? ids.ptr[i - 1].sequence : 0;
        if (ids.ptr[i].sequence == before + 1)
            continue;
        if (ids.ptr[i].sequence == before)
            finding(c, "journal %.*s: exchange %" PRIu64 " is there twice", STR_ARG(first->writer),
                    before);
        else
            finding(c, "journal %.*s: exchanges %" PRIu64 " to %" PRIu64 " are not there",
                    STR_ARG(first->writer), before + 1, ids.ptr[i].sequence - 1);
    }
    uint64_t last = ids.len ? ids.ptr[ids.len - 1].sequence : 0;
    if (last < first->writer_exchanges)
        finding(c, "journal %.*s: exchanges %" PRIu64 " to %" PRIu64 " are not there",
                STR_ARG(first->writer), last + 1, first->writer_exchanges);
}

/* All segments of one date: an id begins with its time, so the same exchange in two places has the
 * same date in both. */
static void check_date(struct check *c, struct segment *const *segments, size_t count)
{
    CLEANUP(verify_ids_release) struct verify_ids ids = { 0 };
    char text[UUID_TEXT_BYTES];

    read_ids(c, segments, count, &ids);
    if (ids.len > 1)
        qsort(ids.ptr, ids.len, sizeof(*ids.ptr), by_id);
    for (size_t i = 1; i < ids.len; i++)
        if (by_id(&ids.ptr[i - 1], &ids.ptr[i]) == 0)
            finding(c, "exchange %s is there twice", uuid_format(ids.ptr[i].id, text));
}

typedef int (*order_fn)(const void *a, const void *b);
typedef struct str (*group_fn)(const struct segment *s);
typedef void (*group_check_fn)(struct check *c, struct segment *const *segments, size_t count);

static struct str writer_of(const struct segment *s)
{
    return s->line.writer;
}

static struct str date_of(const struct segment *s)
{
    return s->line.date;
}

static void check_groups(struct check *c, order_fn order, group_fn group, group_check_fn check)
{
    size_t count = c->segments.len;
    struct segment **sorted = mem_calloc(count + 1, sizeof(struct segment *));

    for (size_t i = 0; i < count; i++)
        sorted[i] = &c->segments.ptr[i];
    if (count > 1)
        qsort(sorted, count, sizeof(struct segment *), order);
    for (size_t from = 0, to; from < count; from = to) {
        to = from + 1;
        while (to < count && str_eq(group(sorted[to]), group(sorted[from])))
            to++;
        check(c, sorted + from, to - from);
    }
    free(sorted);
}

/* Files of one date folder that the chain does not know. */
static int check_extra(struct check *c, const char *folder, struct err *err)
{
    CLEANUP(dir_list_release) struct dir_list names = { 0 };
    char *path = archive_path(c->archive, "%s", folder);
    int r = dir_list_read(path, &names, err);

    free(path);
    for (size_t i = 0; i < names.len; i++) {
        CLEANUP(buf_release) struct buf file = { 0 };
        buf_addf(&file, "%s/%s", folder, names.names[i]);
        if (str_starts_with(str_from(names.names[i]), STR(ARCHIVE_TMP_PREFIX)))
            note(c, "%s: left by an interrupted seal, the next one removes it", buf_cstr(&file));
        else if (map_find(&c->paths, buf_str(&file)))
            continue;
        else if (c->chain_damaged) /* which is the finding */
            note(c, "%s: not in what is readable of the chain", buf_cstr(&file));
        else
            finding(c,
                    "%s: the chain does not know it (an interrupted seal leaves such files; the "
                    "next one takes them in)",
                    buf_cstr(&file));
    }
    return r;
}

static int check_extras(struct check *c, const char *folder, struct err *err)
{
    CLEANUP(dir_list_release) struct dir_list dates = { 0 };
    char *path = archive_path(c->archive, "%s", folder);
    int r = dir_list_read(path, &dates, err);

    free(path);
    for (size_t i = 0; r == 0 && i < dates.len; i++) {
        CLEANUP(buf_release) struct buf date = { 0 };
        buf_addf(&date, "%s/%s", folder, dates.names[i]);
        if (archive_date_of(dates.names[i]))
            r = check_extra(c, buf_cstr(&date), err);
        else
            finding(c, "%s: is nothing of this archive's", buf_cstr(&date));
    }
    return r;
}

static void check_key(struct check *c)
{
    char *path = archive_path(c->archive, "key");
    struct key key;
    struct err err;

    if (key_load(path, false, &key, &err) < 0)
        finding(c, "key: %s", err.text);
    explicit_bzero(&key, sizeof(key));
    free(path);
}

static void check_journal(struct check *c, const struct archive_journal *j)
{
    CLEANUP(journal_reader_close) struct journal_reader *reader = NULL;
    CLEANUP(record_index_release) struct record_index index = { 0 };
    struct err err;

    c->stats->journals++;
    if (!file_exists(j->path)) /* sealed or marked ready meanwhile */
        return;
    if (journal_open(j->path, &reader, &err) < 0 || record_index(reader, false, &index, &err) < 0) {
        finding(c, "%s: %s", inside(c, j->path), err.text);
        return;
    }
    bool live = !j->ready && archive_journal_is_live(j);
    note(c, "%s: %zu exchanges wait to be sealed%s", inside(c, j->path), index.len,
         live           ? " (its writer lives)"
         : index.closed ? ""
                        : " (its writer died: what it had not brought to disk is not here)");
    if (index.torn_bytes && !live)
        note(c, "%s: the last %" PRIu64 " bytes are a frame that was never finished",
             inside(c, j->path), index.torn_bytes);
    if (j->ready && !index.closed)
        finding(c, "%s: its end is missing: it was ended in order, and has been cut since",
                inside(c, j->path));
}

static int check_journals(struct check *c, struct err *err)
{
    CLEANUP(archive_journals_release) struct archive_journals journals = { 0 };

    if (archive_journals_list(c->archive, &journals, err) < 0)
        return -1;
    for (size_t i = 0; i < journals.len; i++)
        check_journal(c, &journals.ptr[i]);
    return 0;
}

static int check_all(struct check *c, struct err *err)
{
    if (check_chain(c, err) < 0)
        return -1;
    for (size_t i = 0; i < c->segments.len; i++)
        check_segment(c, &c->segments.ptr[i]);
    if (!c->opts->quick) {
        check_groups(c, by_writer, writer_of, check_writer);
        check_groups(c, by_date, date_of, check_date);
    }
    if (check_extras(c, "segments", err) < 0 || check_extras(c, "ledger", err) < 0)
        return -1;
    check_key(c);
    return check_journals(c, err);
}

int verify_run(const struct archive *a, const struct verify_options *opts,
               struct verify_stats *ret_stats, struct err *err)
{
    CLEANUP(check_release)
    struct check c = { .archive = a, .opts = opts, .stats = ret_stats };
    int lock = -1;

    *ret_stats = (struct verify_stats){ 0 };
    /* So that nobody seals meanwhile; on a read-only copy nobody can. */
    if (archive_lock(a, true, &lock, err) < 0 && err->sys != EROFS && err->sys != EACCES)
        return -1;
    int r = check_all(&c, err);
    if (lock >= 0)
        close(lock);
    return r;
}
