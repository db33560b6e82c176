#include "config.h"

#include "capture/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/map.h"
#include "base/timestamp.h"
#include "base/uuid.h"
#include "capture/chain.h"
#include "capture/journal.h"
#include "capture/ledger.h"
#include "capture/record.h"
#include "capture/seal_exchange.h"
#include "capture/segment_write.h"

/* A run of seal over the whole archive. */
struct run {
    const struct archive *archive;
    const struct seal_options *opts;
    struct seal_stats *stats;
    struct key key;
    char *chain_path;
    struct chain chain;
    struct map sealed; /* "WRITER DATE" of the chain's segments */
    struct record_scratch record;
    struct seal_scratch exchange;
    struct arena cells;
};

static void run_release(struct run *run)
{
    free(run->chain_path);
    chain_close(&run->chain);
    map_release(&run->sealed);
    record_scratch_release(&run->record);
    seal_scratch_release(&run->exchange);
    arena_release(&run->cells);
    explicit_bzero(&run->key, sizeof(run->key));
}
DEFINE_CLEANUP_VALUE(struct run, run_release)

static void note(const struct run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void note(const struct run *run, const char *fmt, ...)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    va_list args;

    if (!run->opts->note)
        return;
    va_start(args, fmt);
    buf_addvf(&text, fmt, args);
    va_end(args);
    run->opts->note(run->opts->ctx, buf_cstr(&text));
}

static bool map_has(const struct map *m, const char *writer, const char *date)
{
    CLEANUP(buf_release) struct buf key = { 0 };

    buf_addf(&key, "%s %s", writer, date);
    return map_find(m, buf_str(&key)) != NULL;
}

static int read_chain(struct run *run, struct err *err)
{
    CLEANUP(buf_release) struct buf key = { 0 };
    struct chain_line line;
    int r;

    if (chain_open(run->chain_path, &run->chain, err) < 0)
        return -1;
    while ((r = chain_next(&run->chain, &line, err)) > 0) {
        if (line.kind != CHAIN_SEGMENT)
            continue;
        buf_clear(&key);
        buf_addf(&key, "%.*s %.*s", STR_ARG(line.writer), STR_ARG(line.date));
        map_put(&run->sealed, buf_str(&key), NULL);
    }
    if (r < 0)
        return err_wrap(err, "'%s' is damaged, so nothing was sealed (weir capture verify)",
                        run->chain_path);
    if (run->chain.torn_bytes)
        note(run, "chain: cutting off %zu bytes of a line that was never finished",
             run->chain.torn_bytes);
    return 0;
}

/* Removes what an interrupted run left in a folder; what a live process holds is not a leftover. */
static int remove_leftovers(const struct run *run, const char *folder, struct err *err)
{
    CLEANUP(dir_list_release) struct dir_list names = { 0 };
    char *path = archive_path(run->archive, "%s", folder);
    int r = dir_list_read(path, &names, err);

    free(path);
    for (size_t i = 0; i < names.len; i++) {
        if (strncmp(names.names[i], ARCHIVE_TMP_PREFIX, strlen(ARCHIVE_TMP_PREFIX)) != 0)
            continue;
        char *file = archive_path(run->archive, "%s/%s", folder, names.names[i]);
        struct archive_journal as_journal = { .path = file };
        if (!archive_journal_is_live(&as_journal))
            unlink(file); /* failing to is no harm: the name stays reserved for leftovers */
        free(file);
    }
    return r;
}

static int remove_date_leftovers(const struct run *run, const char *folder, struct err *err)
{
    CLEANUP(dir_list_release) struct dir_list dates = { 0 };
    char *path = archive_path(run->archive, "%s", folder);
    int r = dir_list_read(path, &dates, err);

    free(path);
    for (size_t i = 0; r == 0 && i < dates.len; i++) {
        if (!archive_date_of(dates.names[i]))
            continue;
        char *date = archive_path(run->archive, "%s/%s", folder, dates.names[i]);
        r = remove_leftovers(run, date + strlen(run->archive->path) + 1, err);
        free(date);
    }
    return r;
}

/* Exchanges of one journal and one UTC date. */
struct day {
    struct journal_reader *reader;
    const struct record_index *index;
    const char *writer;
    const uint32_t *entries; /* positions in index, by sequence */
    size_t len;
    uint64_t writer_exchanges;
    char date[TIMESTAMP_TEXT_BYTES];
    char id[UUID_TEXT_BYTES];
};

static const struct record_entry *day_entry(const struct day *day, size_t i)
{
    return &day->index->entries[day->entries[i]];
}

/* The same journal and date always give the same id, so that a run after a crash replaces what the
 * crashed one left. */
static void name_day(struct day *day)
{
    CLEANUP(buf_release) struct buf name = { 0 };
    uint8_t sha[SHA256_BYTES];
    int64_t first_us = day_entry(day, 0)->started_us;

    timestamp_format_date(first_us, day->date);
    buf_addf(&name, "%s %s", day->writer, day->date);
    sha256_of(buf_str(&name), sha);
    uuid_format(uuid7_make((uint64_t)first_us, sha), day->id);
}

/* The two files of a day, under their temporary and their final names. */
struct day_files {
    char *segment_folder, *segment_tmp, *segment;
    char *ledger_folder, *ledger_tmp, *ledger;
    struct segment_writer *segment_writer;
    struct parquet_writer *ledger_writer;
};

static void day_files_release(struct day_files *f)
{
    segment_abandon(f->segment_writer);
    parquet_abandon(f->ledger_writer);
    /* Gone already if they were renamed. */
    if (f->segment_tmp)
        unlink(f->segment_tmp);
    if (f->ledger_tmp)
        unlink(f->ledger_tmp);
    free(f->segment_folder);
    free(f->segment_tmp);
    free(f->segment);
    free(f->ledger_folder);
    free(f->ledger_tmp);
    free(f->ledger);
}
DEFINE_CLEANUP_VALUE(struct day_files, day_files_release)

static void name_files(const struct archive *a, const struct day *day, struct day_files *f)
{
    f->segment_folder = archive_path(a, "segments/date=%s", day->date);
    f->segment = archive_path(a, "segments/date=%s/%s.tar.zst", day->date, day->id);
    f->segment_tmp =
        archive_path(a, "segments/date=%s/" ARCHIVE_TMP_PREFIX "%s.tar.zst", day->date, day->id);
    f->ledger_folder = archive_path(a, "ledger/date=%s", day->date);
    f->ledger = archive_path(a, "ledger/date=%s/%s.parquet", day->date, day->id);
    f->ledger_tmp =
        archive_path(a, "ledger/date=%s/" ARCHIVE_TMP_PREFIX "%s.parquet", day->date, day->id);
}

static const char *created_by(const struct run *run)
{
    return run->opts->created_by ? run->opts->created_by : "weir";
}

static int open_files(const struct run *run, const struct day *day, struct day_files *f,
                      struct err *err)
{
    const struct segment_info info = {
        .id = day->id,
        .date = day->date,
        .writer = str_from(day->writer),
        .exchanges = day->len,
        .first_sequence = day_entry(day, 0)->sequence,
        .last_sequence = day_entry(day, day->len - 1)->sequence,
        .writer_exchanges = day->writer_exchanges,
        .first_started_us = day_entry(day, 0)->started_us,
        .created_by = created_by(run),
    };

    if (dir_make(f->segment_folder, err) < 0 || dir_make(f->ledger_folder, err) < 0)
        return -1;
    if (segment_create(f->segment_tmp, &info, &f->segment_writer, err) < 0)
        return err_wrap(err, "segment '%s'", f->segment_tmp);
    if (ledger_create(f->ledger_tmp, &f->ledger_writer, err) < 0)
        return err_wrap(err, "ledger '%s'", f->ledger_tmp);
    parquet_add_metadata(f->ledger_writer, "weir.segment", str_from(day->id));
    parquet_add_metadata(f->ledger_writer, "weir.writer", str_from(day->writer));
    return 0;
}

static int add_rows(struct run *run, struct parquet_writer *ledger, const struct exchange *x,
                    int64_t offset, struct err *err)
{
    struct parquet_cell cells[LEDGER_COLUMN_COUNT];
    size_t rows = ledger_rows(x);

    run->stats->rows += rows;
    for (size_t part = 0; part < rows; part++) {
        arena_reset(&run->cells);
        ledger_cells(x, part, offset, &run->cells, cells);
        if (parquet_add_row(ledger, cells, err) < 0)
            return err_wrap(err, "ledger");
    }
    return 0;
}

static int add_exchange(struct run *run, const struct day *day, const struct record_entry *entry,
                        struct day_files *f, struct err *err)
{
    struct exchange x;
    int64_t offset;

    if (record_read(day->reader, day->index, entry, &run->record, &x, err) < 0)
        return -1;
    /* Half an import, yet not the last one (which is left out): a later import must bring it. */
    if ((entry->flags & RECORD_IMPORTED) && !(entry->flags & RECORD_ENDED))
        x.content_id = (struct str){ 0 };
    seal_exchange(&x, &run->key, &run->exchange);
    if (segment_add(f->segment_writer, &x, &offset, err) < 0)
        return err_wrap(err, "segment '%s'", f->segment_tmp);
    run->stats->encoded_bodies += x.request_body_encoded;
    run->stats->encoded_bodies += x.response_body_encoded;
    run->stats->decoded_bytes += x.request_body.len + x.response_body.len;
    return add_rows(run, f->ledger_writer, &x, offset, err);
}

static int publish(const struct day_files *f, struct err *err)
{
    if (rename(f->segment_tmp, f->segment) < 0)
        return err_sys(err, "cannot name segment '%s'", f->segment);
    if (rename(f->ledger_tmp, f->ledger) < 0)
        return err_sys(err, "cannot name ledger '%s'", f->ledger);
    if (dir_sync(f->segment_folder, err) < 0)
        return -1;
    return dir_sync(f->ledger_folder, err);
}

static uint64_t file_bytes(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* Writes both files of a day and says in *ret what its chain line must, in strings of day. */
static int seal_day(struct run *run, const struct day *day, struct chain_line *ret, struct err *err)
{
    CLEANUP(day_files_release) struct day_files f = { 0 };
    struct chain_line line = {
        .kind = CHAIN_SEGMENT,
        .id = str_from(day->id),
        .date = str_from(day->date),
        .writer = str_from(day->writer),
        .first_sequence = day_entry(day, 0)->sequence,
        .last_sequence = day_entry(day, day->len - 1)->sequence,
        .exchanges = day->len,
        .writer_exchanges = day->writer_exchanges,
        .writer_died = !day->index->closed,
    };
    uint64_t bytes = 0, rows_before = run->stats->rows;

    name_files(run->archive, day, &f);
    if (open_files(run, day, &f, err) < 0)
        return -1;
    for (size_t i = 0; i < day->len; i++)
        if (add_exchange(run, day, day_entry(day, i), &f, err) < 0)
            return -1;
    if (segment_finish(TAKE(f.segment_writer), line.segment_sha, &bytes, err) < 0)
        return err_wrap(err, "segment '%s'", f.segment_tmp);
    if (parquet_finish(TAKE(f.ledger_writer), err) < 0)
        return err_wrap(err, "ledger '%s'", f.ledger_tmp);
    if (sha256_of_file(f.ledger_tmp, line.ledger_sha, err) < 0 || publish(&f, err) < 0)
        return -1;
    run->stats->segments++;
    run->stats->exchanges += day->len;
    run->stats->segment_bytes += bytes;
    run->stats->ledger_bytes += file_bytes(f.ledger);
    line.rows = run->stats->rows - rows_before;
    *ret = line;
    return 0;
}

/* A journal being sealed. */
struct job {
    const struct archive_journal *journal;
    struct journal_reader *reader;
    struct record_index index;
    size_t exchanges;  /* of the index that count: an unfinished import at the end does not */
    uint32_t *entries; /* positions in index, by date, then sequence */
};

static void job_release(struct job *job)
{
    journal_reader_close(job->reader);
    record_index_release(&job->index);
    free(job->entries);
}
DEFINE_CLEANUP_VALUE(struct job, job_release)

struct by_date {
    int64_t day;
    uint32_t entry;
};

static int compare_dates(const void *a, const void *b)
{
    const struct by_date *x = a, *y = b;

    if (x->day != y->day)
        return x->day < y->day ? -1 : 1;
    return x->entry < y->entry ? -1 : 1;
}

static void sort_entries(struct job *job)
{
    struct by_date *dates = mem_calloc(job->exchanges + 1, sizeof(*dates));
    bool sorted = true;

    job->entries = mem_calloc(job->exchanges + 1, sizeof(*job->entries));
    for (size_t i = 0; i < job->exchanges; i++) {
        dates[i].day = job->index.entries[i].started_us / US_PER_DAY; /* never negative */
        dates[i].entry = (uint32_t)i;
        sorted = sorted && (i == 0 || dates[i - 1].day <= dates[i].day);
    }
    if (!sorted)
        qsort(dates, job->exchanges, sizeof(*dates), compare_dates);
    for (size_t i = 0; i < job->exchanges; i++)
        job->entries[i] = dates[i].entry;
    free(dates);
}

/* The day that begins at entries[from]. */
static struct day take_day(const struct job *job, size_t from)
{
    const struct record_entry *all = job->index.entries;
    int64_t date = all[job->entries[from]].started_us / US_PER_DAY;
    size_t to = from;

    while (to < job->exchanges && all[job->entries[to]].started_us / US_PER_DAY == date)
        to++;
    struct day day = {
        .reader = job->reader,
        .index = &job->index,
        .writer = job->journal->writer,
        .entries = job->entries + from,
        .len = to - from,
        .writer_exchanges = job->exchanges,
    };
    name_day(&day);
    return day;
}

/* Seals the days that the chain does not have yet and adds their lines to it. */
static int seal_days(struct run *run, const struct job *job, struct err *err)
{
    CLEANUP(buf_release) struct buf lines = { 0 };
    struct chain next = run->chain; /* run's own moves on only when the lines are written */

    for (size_t at = 0; at < job->exchanges;) {
        struct day day = take_day(job, at);
        struct chain_line line;
        at += day.len;
        if (map_has(&run->sealed, day.writer, day.date))
            continue;
        if (seal_day(run, &day, &line, err) < 0)
            return -1;
        chain_format(&next, &line, &lines);
    }
    if (lines.len && chain_append(run->chain_path, &next, buf_str(&lines), err) < 0)
        return -1;
    run->chain = next;
    return 0;
}

static int open_job(struct run *run, struct job *job, struct err *err)
{
    struct seal_stats *stats = run->stats;
    const char *writer = job->journal->writer;

    if (journal_open(job->journal->path, &job->reader, err) < 0)
        return -1;
    struct str says = journal_reader_writer(job->reader);
    if (!str_eq(says, str_from(writer)))
        return err_set(err, ERR_USAGE,
                       "it was written as '%.*s': a renamed copy would bring everything twice",
                       STR_ARG(says));
    if (record_index(job->reader, run->opts->salvage, &job->index, err) < 0)
        return -1;
    job->exchanges = job->index.len;
    for (size_t i = 0; i < job->index.len; i++)
        stats->unended += !(job->index.entries[i].flags & RECORD_ENDED);
    const struct record_entry *last =
        job->index.len ? &job->index.entries[job->index.len - 1] : NULL;
    if (last && (last->flags & RECORD_IMPORTED) && !(last->flags & RECORD_ENDED)) {
        job->exchanges--;
        stats->unended--;
        stats->unfinished_imports++;
        note(run,
             "journal %s: its importer died amid an exchange, which is left to be imported "
             "again",
             writer);
    }
    if (job->index.torn_bytes)
        note(run, "journal %s: the last %" PRIu64 " bytes are a frame that was never finished",
             writer, job->index.torn_bytes);
    stats->torn_bytes += job->index.torn_bytes;
    if (!job->index.closed && job->index.len) {
        stats->unclosed_journals++;
        note(run, "journal %s: its writer did not end in order", writer);
    }
    return 0;
}

/* The journal has served; one that was damaged is kept for whoever wants to look into it. */
static int retire(const struct run *run, const struct job *job, struct err *err)
{
    char *folder = archive_path(run->archive, "journal");
    char *damaged = archive_path(run->archive, "journal/%s.damaged", job->journal->writer);
    int r = 0;

    if (job->index.damaged) {
        r = rename(job->journal->path, damaged);
        note(run, "journal %s: %s; what was before is sealed, the file is kept as '%s'",
             job->journal->writer, job->index.damage.text, damaged);
    } else {
        r = unlink(job->journal->path);
    }
    if (r < 0)
        err_sys(err, "cannot remove it, now that it is sealed");
    if (r == 0)
        r = dir_sync(folder, err);
    free(damaged);
    free(folder);
    return r;
}

/* What a writer that died had not synced is in the kernel at best: it must not go, should the
 * machine end, once a segment has been made of it. */
static int sync_orphan(const struct archive_journal *journal, struct err *err)
{
    if (journal->ready)
        return 0;
    int fd = open(journal->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, "cannot open it");
    int r = fsync(fd) < 0 ? err_sys(err, "cannot sync it") : 0;
    close(fd);
    return r;
}

static int seal_one(struct run *run, const struct archive_journal *journal, struct err *err)
{
    CLEANUP(job_release) struct job job = { .journal = journal };

    if (sync_orphan(journal, err) < 0 || open_job(run, &job, err) < 0)
        return -1;
    sort_entries(&job);
    if (seal_days(run, &job, err) < 0)
        return -1;
    run->stats->journals++;
    return retire(run, &job, err);
}

static bool tell(const struct run *run, const struct archive_journal *journal, enum seal_event e)
{
    return !run->opts->on_journal || run->opts->on_journal(run->opts->ctx, journal->writer, e);
}

static int seal_journal(struct run *run, const struct archive_journal *journal, struct err *err)
{
    if (!journal->ready && archive_journal_is_live(journal)) {
        run->stats->live_journals++;
        return 0;
    }
    /* Between the list and now its writer may have marked it ready: the next run takes it. */
    if (!file_exists(journal->path) || !tell(run, journal, SEAL_BEGINS))
        return 0;
    int r = seal_one(run, journal, err);
    tell(run, journal, r < 0 ? SEAL_FAILED : SEAL_DONE);
    return r;
}

/* Damage in one journal keeps none of the others; a disk that fails does. */
static int seal_journals(struct run *run, struct err *err)
{
    CLEANUP(archive_journals_release) struct archive_journals journals = { 0 };
    struct err first = { 0 };

    if (archive_journals_list(run->archive, &journals, err) < 0)
        return -1;
    for (size_t i = 0; i < journals.len; i++) {
        if (seal_journal(run, &journals.ptr[i], err) == 0)
            continue;
        err_wrap(err, "journal '%s'", journals.ptr[i].path);
        if (err->code == ERR_SYS)
            return -1;
        if (first.code == ERR_NONE)
            first = *err;
        else
            note(run, "%s", err->text);
    }
    if (first.code == ERR_NONE)
        return 0;
    *err = first;
    return -1;
}

static int seal_locked(struct run *run, struct err *err)
{
    if (run->opts->key)
        run->key = *run->opts->key;
    else if (archive_key(run->archive, &run->key, err) < 0)
        return -1;
    run->chain_path = archive_path(run->archive, "chain");
    if (read_chain(run, err) < 0)
        return -1;
    if (remove_leftovers(run, ".", err) < 0 || remove_leftovers(run, "journal", err) < 0 ||
        remove_date_leftovers(run, "segments", err) < 0 ||
        remove_date_leftovers(run, "ledger", err) < 0)
        return -1;
    return seal_journals(run, err);
}

int seal_run(const struct archive *a, const struct seal_options *opts, struct seal_stats *ret_stats,
             struct err *err)
{
    static const struct seal_options no_options;
    CLEANUP(run_release)
    struct run run = { .archive = a, .opts = opts ? opts : &no_options, .stats = ret_stats };
    int lock;

    *ret_stats = (struct seal_stats){ 0 };
    if (archive_lock(a, true, &lock, err) < 0)
        return -1;
    int r = seal_locked(&run, err);
    close(lock);
    return r;
}
