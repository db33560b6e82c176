#include "config.h"

#include "analyze/push_clickhouse.h"

#include <string.h>
#include <time.h>

#include "analyze/push_table.h"
#include "base/digest.h"
#include "base/uuid.h"

/* How long a statement that a dead push left running is waited for. */
#define LEFT_POLL_NS    200000000
#define LEFT_POLLS_MAX  1500
#define SUFFIX          ".parquet"
#define SEGMENT_BYTES   80
#define QUERY_ID_PREFIX "weir-push-"

struct push {
    const struct push_clickhouse_options *options;
    struct clickhouse *server;
    struct push_progress progress;
    struct map whole; /* segments on the list; value: their rows */
    struct buf sql, insert, rows;
    /* of the ledger under way */
    char segment[SEGMENT_BYTES];
    VEC(uint8_t) there; /* a byte a row: 1 = is in the table */
    uint64_t there_count, there_twice;
    uint32_t number;  /* of the next row */
    uint32_t batched; /* rows in p->rows, the first is batch_first */
    uint32_t batch_first;
};

static void report(struct push *p)
{
    if (p->options->on_progress)
        p->options->on_progress(p->options->ctx, &p->progress);
}

/* The segment's id, which is the ledger's name; of any other file, its hash: the same rows under
 * another name are the same rows. */
static int name_segment(struct push *p, const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    struct str name = str_from(slash ? slash + 1 : path);
    uint8_t sha[SHA256_BYTES];
    struct uuid id;

    if (str_ends_with(name, STR(SUFFIX)))
        name.len -= sizeof(SUFFIX) - 1;
    if (uuid_parse(name, &id)) {
        uuid_format(id, p->segment);
        return 0;
    }
    if (sha256_of_file(path, sha, err) < 0)
        return -1;
    memcpy(p->segment, "sha256-", 7);
    hex_encode(sha, SHA256_BYTES, p->segment + 7);
    return 0;
}

/* --- what is there --- */

static int note_whole(void *ctx, const struct clickhouse_value *values, struct err *err)
{
    struct push *p = ctx;

    (void)err;
    map_put(&p->whole, values[0].s, NULL)->value = (uint64_t)values[1].i;
    return 0;
}

static int read_whole(struct push *p, struct err *err)
{
    static const enum clickhouse_kind kinds[] = { CLICKHOUSE_STRING, CLICKHOUSE_INT };

    buf_clear(&p->sql);
    buf_add_text(&p->sql, "SELECT segment, toInt64(rows) FROM ");
    clickhouse_add_table(p->server, "_segments", &p->sql);
    return clickhouse_rows(p->server,
                           &(struct clickhouse_query){ .sql = buf_str(&p->sql),
                                                       .kinds = kinds,
                                                       .kind_count = ARRAY_LEN(kinds),
                                                       .on_row = note_whole,
                                                       .ctx = p },
                           err);
}

static int note_row(void *ctx, const struct clickhouse_value *values, struct err *err)
{
    struct push *p = ctx;
    uint64_t number = (uint64_t)values[0].i;

    if (number >= UINT32_MAX)
        return err_set(err, ERR_CORRUPT, "segment '%s' has row %llu in the table", p->segment,
                       (unsigned long long)number);
    while (p->there.len <= number)
        vec_push(&p->there, 0);
    p->there_count += !p->there.ptr[number];
    p->there_twice += p->there.ptr[number];
    p->there.ptr[number] = 1;
    return 0;
}

static int find_rows(struct push *p, struct err *err)
{
    static const enum clickhouse_kind kinds[] = { CLICKHOUSE_INT };

    vec_clear(&p->there);
    p->there_count = p->there_twice = 0;
    buf_clear(&p->sql);
    buf_addf(&p->sql, "SELECT toInt64(row) FROM %s WHERE segment = ", clickhouse_table(p->server));
    clickhouse_add_text(&p->sql, str_from(p->segment));
    return clickhouse_rows(p->server,
                           &(struct clickhouse_query){ .sql = buf_str(&p->sql),
                                                       .kinds = kinds,
                                                       .kind_count = 1,
                                                       .on_row = note_row,
                                                       .ctx = p },
                           err);
}

static int note_count(void *ctx, const struct clickhouse_value *values, struct err *err)
{
    int64_t *count = ctx;

    (void)err;
    *count = values[0].i;
    return 0;
}

static int wait_for_left(struct push *p, struct err *err)
{
    static const enum clickhouse_kind kinds[] = { CLICKHOUSE_INT };
    const struct timespec poll = { .tv_nsec = LEFT_POLL_NS };
    int64_t count = 0;

    buf_clear(&p->sql);
    buf_addf(&p->sql,
             "SELECT toInt64(count()) FROM system.processes"
             " WHERE query_id LIKE '" QUERY_ID_PREFIX "%s-%%'",
             p->segment);
    for (int i = 0; i < LEFT_POLLS_MAX; i++) {
        const struct clickhouse_query q = { .sql = buf_str(&p->sql),
                                            .kinds = kinds,
                                            .kind_count = 1,
                                            .on_row = note_count,
                                            .ctx = &count };
        if (clickhouse_rows(p->server, &q, err) < 0)
            return -1;
        if (count == 0)
            return 0;
        nanosleep(&poll, NULL);
    }
    return err_set(err, ERR_LIMIT,
                   "another push has been inserting segment '%s' for minutes: let it end, or kill "
                   "it on the server (KILL QUERY), and run this again",
                   p->segment);
}

/* --- what is sent --- */

static int flush(struct push *p, struct err *err)
{
    CLEANUP(buf_release) struct buf query_id = { 0 };

    if (p->batched == 0)
        return 0;
    buf_addf(&query_id, QUERY_ID_PREFIX "%s-%u", p->segment, p->batch_first);
    if (clickhouse_insert(p->server, buf_str(&p->insert), buf_str(&query_id), buf_str(&p->rows),
                          err) < 0)
        return -1;
    p->progress.rows_sent += p->batched;
    p->batched = 0;
    buf_clear(&p->rows);
    report(p);
    return 0;
}

static int send_block(struct push *p, const struct block *b, struct err *err)
{
    for (size_t row = 0; row < b->rows; row++, p->number++) {
        if (p->number == UINT32_MAX)
            return err_set(err, ERR_LIMIT, "a ledger of more than %u rows", UINT32_MAX);
        if (p->number < p->there.len && p->there.ptr[p->number])
            continue;
        if (p->batched == 0)
            p->batch_first = p->number;
        push_table_row(str_from(p->segment), p->number, b, row, &p->rows);
        if (++p->batched == PUSH_BATCH_ROWS && flush(p, err) < 0)
            return -1;
    }
    return 0;
}

static int send_ledger(struct push *p, char *path, struct err *err)
{
    struct scan_options options = { .from_us = INT64_MIN, .to_us = INT64_MAX };
    struct ledgers one = {
        .paths = {&path, 1, 1}
    };
    const struct block *b;
    int more;

    memset(options.columns.want, true, sizeof(options.columns.want));
    CLEANUP(scan_feed_free) struct scan_feed *feed = scan_feed_new(&one, &options);
    CLEANUP(scan_close) struct scan *scan = NULL; /* goes before its feed */
    if (scan_new(feed, &scan, err) < 0)
        return -1;
    p->number = p->batched = 0;
    buf_clear(&p->rows);
    while ((more = scan_next(scan, &b, err)) > 0)
        if (send_block(p, b, err) < 0)
            return -1;
    return more < 0 ? -1 : flush(p, err);
}

/* Only now is it on the list: it is all there, and nothing twice. */
static int list_segment(struct push *p, struct err *err)
{
    if (find_rows(p, err) < 0)
        return -1;
    if (p->there_count != p->number || p->there_twice)
        return err_set(err, ERR_CORRUPT,
                       "segment '%s' has %u rows, but the table has %llu of them, and %llu twice; "
                       "is another push under way? If not: OPTIMIZE TABLE %s FINAL, then push "
                       "again",
                       p->segment, p->number, (unsigned long long)p->there_count,
                       (unsigned long long)p->there_twice, clickhouse_table(p->server));
    buf_clear(&p->sql);
    buf_add_text(&p->sql, "INSERT INTO ");
    clickhouse_add_table(p->server, "_segments", &p->sql);
    buf_add_text(&p->sql, " (segment, rows) VALUES (");
    clickhouse_add_text(&p->sql, str_from(p->segment));
    buf_addf(&p->sql, ", %u)", p->number);
    return clickhouse_exec(p->server, buf_str(&p->sql), err);
}

static int push_ledger(struct push *p, char *path, struct err *err)
{
    if (name_segment(p, path, err) < 0)
        return -1;
    if (map_find(&p->whole, str_from(p->segment))) {
        p->progress.ledgers_there++;
        return 0;
    }
    if (wait_for_left(p, err) < 0 || find_rows(p, err) < 0)
        return -1;
    p->progress.rows_there += p->there_count;
    if (send_ledger(p, path, err) < 0 || list_segment(p, err) < 0)
        return err_wrap(err, "'%s'", path);
    map_put(&p->whole, str_from(p->segment), NULL)->value = p->number;
    return 0;
}

static int make_tables(struct push *p, struct err *err)
{
    buf_clear(&p->sql);
    push_table_schema(p->server, &p->sql);
    if (clickhouse_exec(p->server, buf_str(&p->sql), err) < 0)
        return -1;
    buf_clear(&p->sql);
    push_table_segments_schema(p->server, &p->sql);
    return clickhouse_exec(p->server, buf_str(&p->sql), err);
}

static int push_all(struct push *p, struct err *err)
{
    const struct ledgers *ledgers = p->options->ledgers;

    push_table_insert(p->server, &p->insert);
    if (make_tables(p, err) < 0 || read_whole(p, err) < 0)
        return -1;
    p->progress.ledgers = ledgers->paths.len;
    for (size_t i = 0; i < ledgers->paths.len; i++) {
        if (push_ledger(p, ledgers->paths.ptr[i], err) < 0)
            return -1;
        p->progress.ledgers_done++;
        report(p);
    }
    return 0;
}

int push_clickhouse(const struct push_clickhouse_options *options, struct push_progress *ret,
                    struct err *err)
{
    struct push p = { .options = options, .server = options->server };
    int r = push_all(&p, err);

    *ret = p.progress;
    map_release(&p.whole);
    buf_release(&p.sql);
    buf_release(&p.insert);
    buf_release(&p.rows);
    vec_release(&p.there);
    return r;
}
