#include "config.h"

#include "replay/drive_record.h"

#include <stdlib.h>

#include "base/json.h"
#include "capture/record.h"
#include "capture/redact.h"
#include "capture/seal.h"

struct drive_record {
    struct archive *archive;
    struct journal_writer *journal;
    struct key key;
    char *run;
    struct arena arena;
};

int drive_record_open(const char *path, struct str run, int64_t now_us, struct drive_record **ret,
                      struct err *err)
{
    CLEANUP(drive_record_close) struct drive_record *d = mem_calloc(1, sizeof(*d));

    d->run = mem_strndup(run.ptr ? run.ptr : "", run.len);
    if (archive_open(path, true, &d->archive, err) < 0 ||
        archive_key(d->archive, &d->key, err) < 0 ||
        archive_journal_create(d->archive, "drive", now_us, JOURNAL_BATCH, &d->journal, err) < 0)
        return -1;
    *ret = TAKE(d);
    return 0;
}

int drive_record_add(struct drive_record *d, const struct trace_request *request,
                     const struct exchange *x, struct err *err)
{
    CLEANUP(buf_release) struct buf labels = { 0 };
    struct exchange copy = *x;
    char of[UUID_TEXT_BYTES];

    arena_reset(&d->arena);
    buf_add_byte(&labels, '{');
    json_add_str(&labels, DRIVE_LABEL_OF, str_from(uuid_format(request->id, of)));
    json_add_str(&labels, DRIVE_LABEL_RUN, str_from(d->run));
    buf_add_byte(&labels, '}');
    copy.labels = buf_str(&labels);
    copy.id = uuid7_new((uint64_t)x->started_us);
    redact_headers(&d->key, &d->arena, copy.request_headers, copy.request_header_count, NULL);
    redact_headers(&d->key, &d->arena, copy.response_headers, copy.response_header_count, NULL);
    copy.query = redact_query(&d->key, &d->arena, copy.query, NULL);
    if (redact_is_credential_path(copy.path)) {
        copy.request_body_missing = copy.response_body_missing = true;
        copy.request_body = copy.response_body = STR("");
        copy.chunk_count = 0;
    }
    return record_append(d->journal, &copy, err);
}

int drive_record_finish(struct drive_record *d, struct err *err)
{
    struct seal_stats stats;
    int r = journal_finish(TAKE(d->journal), err);

    if (r == 0)
        r = seal_run(d->archive, NULL, &stats, err);
    drive_record_close(d);
    return r;
}

void drive_record_close(struct drive_record *d)
{
    struct err ignored;

    if (!d)
        return;
    journal_close(d->journal, &ignored);
    archive_close(d->archive);
    arena_release(&d->arena);
    free(d->run);
    free(d);
}
