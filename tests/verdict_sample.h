/* verdict_sample - what tests of verdicts share: archives of made-up calls, sealed without
 * segments, and the rollout of an application.
 */
#ifndef TESTS_VERDICT_SAMPLE_H
#define TESTS_VERDICT_SAMPLE_H

#include <check.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/timestamp.h"
#include "capture/archive.h"
#include "capture/chain.h"
#include "capture/ledger.h"
#include "migrate/programme.h"
#include "migrate/rollout.h"
#include "migrate/verdict.h"
#include "tests/temp_folder.h"

#define DAY  US_PER_DAY
#define HOUR (INT64_C(3600) * US_PER_SECOND)
#define MS   INT64_C(1000)
#define T0   (INT64_C(1791158400) * US_PER_SECOND) /* 2026-10-05 */

static struct err sample_err;

#define ck_ok(call)                                                                                \
    do {                                                                                           \
        ck_assert_msg((call) >= 0, "%s: %s", #call, sample_err.text);                              \
    } while (0)

struct sample {
    struct archive *archive;
    struct programme *programme;
    struct rollout *rollout;
    struct parquet_writer *ledger;
    char ledger_path[400], date[11], id[UUID_TEXT_BYTES];
    uint64_t epoch, ledgers, rows;
};

static inline void sample_begin_in(struct sample *s, const char *plan, const char *rollout)
{
    *s = (struct sample){ 0 };
    ck_ok(archive_open(temp_path("traffic"), true, &s->archive, &sample_err));
    ck_ok(programme_parse(str_from(plan), "p.yaml", temp_folder, &s->programme, &sample_err));
    ck_ok(rollout_open(temp_path(rollout), ROLLOUT_WRITE, STR("ana@host"), T0, &s->rollout,
                       &sample_err));
}

static inline void sample_begin(struct sample *s, const char *plan)
{
    sample_begin_in(s, plan, "rollout");
}

static inline void sample_end(struct sample *s)
{
    rollout_close(s->rollout);
    programme_free(s->programme);
    archive_close(s->archive);
}

/* One more ledger, of that day; its calls follow. */
static inline void sample_ledger(struct sample *s, int64_t at_us)
{
    char date[TIMESTAMP_TEXT_BYTES], folder[300];
    uint8_t random[10] = { 0 };

    random[9] = (uint8_t)++s->ledgers;
    uuid_format(uuid7_make((uint64_t)T0, random), s->id);
    timestamp_format_date(at_us, date);
    memcpy(s->date, date, sizeof(s->date));
    snprintf(folder, sizeof(folder), "%s/ledger/date=%s", s->archive->path, s->date);
    mkdir(folder, 0700);
    snprintf(s->ledger_path, sizeof(s->ledger_path), "%s/%s.parquet", folder, s->id);
    ck_ok(ledger_create(s->ledger_path, &s->ledger, &sample_err));
    s->rows = 0;
}

/* The chain's line for it. */
static inline void sample_seal(struct sample *s)
{
    CLEANUP(chain_close) struct chain chain = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 };
    struct chain_line line = { .kind = CHAIN_SEGMENT,
                               .id = str_from(s->id),
                               .date = str_from(s->date),
                               .writer = STR("made-up"),
                               .first_sequence = 1,
                               .last_sequence = s->rows ? s->rows : 1,
                               .exchanges = s->rows,
                               .rows = s->rows,
                               .writer_exchanges = s->rows };
    char path[400];

    ck_ok(parquet_finish(s->ledger, &sample_err));
    ck_ok(sha256_of_file(s->ledger_path, line.ledger_sha, &sample_err));
    snprintf(path, sizeof(path), "%s/chain", s->archive->path);
    ck_ok(chain_open(path, &chain, &sample_err));
    struct chain_line before;
    while (chain_next(&chain, &before, &sample_err) > 0)
        ;
    chain_format(&chain, &line, &text);
    ck_ok(chain_append(path, &chain, buf_str(&text), &sample_err));
}

struct sample_call {
    const char *app; /* NULL = "bot" */
    int64_t at_us;
    bool on_gateway;
    const char *upstream; /* NULL = by on_gateway */
    const char *arm;      /* NULL = of the upstream */
    const char *first;    /* upstream it was sent to first, before a fallback */
    uint64_t epoch;
    int32_t share;
    const char *unit; /* NULL = none */
    const char *user; /* NULL = none */
    int status;       /* 0 = 200; -1 = no answer */
    enum error_class error;
    int64_t total_us;
    int64_t input_tokens;
    unsigned answer_bytes;
    bool stream, truncated, is_part_of_sum;
    bool is_unseen;    /* its answer was not recorded */
    unsigned attempts; /* 0 = not known */
};

static inline void sample_call(struct sample *s, const struct sample_call *c)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct parquet_cell cells[LEDGER_COLUMN_COUNT];
    struct exchange_attempt attempts[8] = { 0 };
    uint8_t random[10] = { 0 };
    struct exchange x = { .sequence = ++s->rows, .requests = c->is_part_of_sum ? 5 : 1 };
    const char *upstream = c->upstream ? c->upstream : c->on_gateway ? "litellm" : "openai";

    memcpy(random + 2, &s->rows, sizeof(s->rows));
    x.id = uuid7_make((uint64_t)c->at_us, random);
    x.writer = STR("made-up");
    x.origin = STR("proxy");
    x.started_us = c->at_us;
    x.request_us = x.head_us = 10;
    x.end_us = c->total_us ? c->total_us : 500 * MS;
    x.response_bytes = c->answer_bytes;
    if (c->error == ERROR_CLASS_CLIENT_GONE && !c->answer_bytes)
        x.first_token_us = -1;
    else
        x.first_token_us = c->stream ? x.end_us / 2 : -1;
    x.who.app = str_from(c->app ? c->app : "bot");
    x.who.end_user = str_from(c->user);
    x.upstream = str_from(upstream);
    x.arm = strcmp(upstream, "litellm") == 0  ? STR("gateway")
            : strcmp(upstream, "openai") == 0 ? STR("direct")
                                              : STR("");
    if (c->arm)
        x.arm = str_from(c->arm);
    x.cutover_epoch = (int64_t)c->epoch;
    x.cutover_share = c->share;
    x.cutover_unit = str_from(c->unit);
    x.status = c->status < 0 ? 0 : c->status ? c->status : 200;
    x.truncated = c->truncated;
    x.transport_error = c->error;
    x.facts.provider = PROVIDER_OPENAI;
    x.facts.api = API_CHAT;
    x.facts.recognised_by = "host";
    x.facts.model = STR("gpt-4o");
    x.facts.stream = c->stream;
    x.facts.billable = true;
    x.facts.usage_source = USAGE_SOURCE_REPORTED;
    x.facts.usage_note = c->is_unseen ? CALL_NOTE_NO_BODY : NULL;
    x.facts.part_count = 1;
    x.facts.parts[0].model = STR("gpt-4o");
    usage_set(&x.facts.parts[0].usage, USAGE_INPUT, c->input_tokens);
    for (unsigned i = 0; i < c->attempts; i++)
        attempts[i] = (struct exchange_attempt){ .upstream = str_from(upstream), .status = 200 };
    if (c->first)
        attempts[0].upstream = str_from(c->first);
    x.attempts = attempts;
    x.attempt_count = c->attempts;
    ledger_cells(&x, 0, -1, &arena, cells);
    ck_ok(parquet_add_row(s->ledger, cells, &sample_err));
}

/* count calls of a unit each, a second apart from at_us; every `every`-th fails (0 = none). */
struct sample_crowd {
    int64_t at_us;
    const char *name;
    int count, every;
    bool on_gateway;
    uint64_t epoch;
    int32_t share;
};

static inline void sample_crowd(struct sample *s, const struct sample_crowd *c)
{
    for (int i = 0; i < c->count; i++) {
        char unit[64];
        snprintf(unit, sizeof(unit), "%s-%d", c->name, i);
        bool fails = c->every && i % c->every == 0;
        sample_call(
            s, &(struct sample_call){ .at_us = c->at_us + i * US_PER_SECOND,
                                      .on_gateway = c->on_gateway,
                                      .epoch = c->epoch,
                                      .share = c->share,
                                      .unit = unit,
                                      .status = fails ? 503 : 200,
                                      .error = fails ? ERROR_CLASS_STATUS_5XX : ERROR_CLASS_NONE });
    }
}

static inline void sample_entry(struct sample *s, struct rollout_entry *e, enum rollout_kind kind,
                                int64_t at_us)
{
    e->kind = kind;
    e->at_us = at_us;
    ck_ok(rollout_append(s->rollout, e, &sample_err));
}

/* From INTENT to COMMITTED (ABORTED if not is_good), two minutes later.  Returns the epoch. */
static inline uint64_t sample_step(struct sample *s, const char *app, int32_t from, int32_t to,
                                   int64_t at_us, bool is_good)
{
    struct rollout_move move = { str_from(app), from, to };
    struct rollout_entry e = { .why = to > from ? ROLLOUT_ADVANCE : ROLLOUT_ROLLBACK,
                               .actuator = STR("proxy"),
                               .epoch = ++s->epoch,
                               .moves = &move,
                               .move_count = 1 };

    sample_entry(s, &e, ROLLOUT_INTENT, at_us);
    e.moves = NULL;
    e.move_count = 0;
    if (is_good) {
        sample_entry(s, &e, ROLLOUT_APPLIED, at_us + 30 * US_PER_SECOND);
        sample_entry(s, &e, ROLLOUT_VERIFIED, at_us + 60 * US_PER_SECOND);
    }
    sample_entry(s, &e, is_good ? ROLLOUT_COMMITTED : ROLLOUT_ABORTED, at_us + 120 * US_PER_SECOND);
    return s->epoch;
}

static inline struct verdict_input sample_input(const struct sample *s, int64_t until_us)
{
    return (struct verdict_input){ .programme = s->programme,
                                   .rollout = s->rollout,
                                   .archive = s->archive,
                                   .until_us = until_us };
}

/* Of "bot"; free with verdict_free(v, 1). */
static inline struct verdict *sample_judge(const struct sample *s, int64_t until_us)
{
    const struct programme_app *app = programme_find_app(s->programme, STR("bot"));
    struct verdict_input in = sample_input(s, until_us);
    struct verdict *v = NULL;

    ck_ok(verdict_judge(&in, &app, 1, &v, &sample_err));
    return v;
}

#endif
