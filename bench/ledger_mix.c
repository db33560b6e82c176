#include "config.h"

#include "bench/ledger_mix.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/timestamp.h"
#include "capture/ledger.h"

#define APPS         40u
#define TEAMS        9u
#define USERS        5000u
#define FILE_ROWS    1000000u
#define ZIPF_STEPS   65536u
#define SECONDS_STEP 86400u

const struct mix_model mix_models[MIX_MODELS] = {
    {PROVIDER_OPENAI,        "gpt-4o-mini-2024-07-18",                    true,  false, false},
    { PROVIDER_ANTHROPIC,    "claude-sonnet-4-5-20250929",                true,  true,  false},
    { PROVIDER_OPENAI,       "gpt-5-mini-2025-08-07",                     true,  false, true },
    { PROVIDER_GEMINI,       "gemini-2.5-flash",                          true,  false, true },
    { PROVIDER_OPENAI,       "gpt-4o-2024-08-06",                         true,  false, false},
    { PROVIDER_OPENAI,       "text-embedding-3-small",                    false, false, false},
    { PROVIDER_ANTHROPIC,    "claude-haiku-4-5-20251001",                 true,  true,  false},
    { PROVIDER_AZURE_OPENAI, "gpt-4o-2024-08-06",                         true,  false, false},
    { PROVIDER_OPENAI,       "gpt-4.1-mini-2025-04-14",                   true,  false, false},
    { PROVIDER_GEMINI,       "gemini-2.5-pro",                            true,  false, true },
    { PROVIDER_OPENAI,       "gpt-5-2025-08-07",                          true,  false, true },
    { PROVIDER_BEDROCK,      "anthropic.claude-3-5-sonnet-20240620-v1:0", false, false, false},
    { PROVIDER_OPENAI,       "o4-mini-2025-04-16",                        true,  false, true },
    { PROVIDER_MISTRAL,      "mistral-small-latest",                      false, false, false},
    { PROVIDER_OPENAI,       "gpt-4.1-2025-04-14",                        true,  false, false},
    { PROVIDER_ANTHROPIC,    "claude-opus-4-1-20250805",                  true,  true,  false},
    { PROVIDER_OPENROUTER,   "deepseek/deepseek-chat",                    false, false, false},
    { PROVIDER_GEMINI,       "gemini-2.0-flash",                          true,  false, false},
    { PROVIDER_OPENAI,       "gpt-5-nano-2025-08-07",                     true,  false, true },
    { PROVIDER_AZURE_OPENAI, "gpt-4o-mini-2024-07-18",                    true,  false, false},
    { PROVIDER_OPENAI,       "o3-2025-04-16",                             true,  false, true },
    { PROVIDER_MISTRAL,      "mistral-large-latest",                      false, false, false},
    { PROVIDER_OPENAI,       "text-embedding-3-large",                    false, false, false},
    { PROVIDER_ANTHROPIC,    "claude-3-5-haiku-20241022",                 true,  true,  false},
    { PROVIDER_BEDROCK,      "anthropic.claude-3-haiku-20240307-v1:0",    false, false, false},
    { PROVIDER_OPENAI,       "gpt-4.1-nano-2025-04-14",                   true,  false, false},
    { PROVIDER_GEMINI,       "gemini-2.5-flash-lite",                     true,  false, false},
    { PROVIDER_OPENROUTER,   "qwen/qwen3-coder",                          false, false, false},
    { PROVIDER_OPENAI,       "gpt-4-turbo-2024-04-09",                    false, false, false},
    { PROVIDER_COMPATIBLE,   "our-llama-3.3-70b",                         false, false, false},
};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static double next_unit(uint64_t *state)
{
    return (double)(next_random(state) >> 11) / 9007199254740992.0;
}

/* exp of a normal by the sum of three uniforms, which is near enough. */
static int64_t log_normal(uint64_t *state, double median, double sigma)
{
    double sum = next_unit(state) + next_unit(state) + next_unit(state);

    return (int64_t)(median * exp(sigma * 2 * (sum - 1.5)));
}

/* Ranks 0 to n - 1 by Zipf's law, looked up by 16 bits. */
struct zipf {
    uint16_t rank[ZIPF_STEPS];
};

static void make_zipf(struct zipf *z, size_t n, double exponent)
{
    double total = 0, sum = 0;
    size_t rank = 0;

    for (size_t i = 1; i <= n; i++)
        total += pow((double)i, -exponent);
    sum = 1 / total;
    for (size_t i = 0; i < ZIPF_STEPS; i++) {
        while (rank + 1 < n && sum * ZIPF_STEPS < (double)i + 0.5)
            sum += pow((double)++rank + 1, -exponent) / total;
        z->rank[i] = (uint16_t)rank;
    }
}

static size_t pick(const struct zipf *z, uint64_t *state)
{
    return z->rank[next_random(state) % ZIPF_STEPS];
}

/* What rows of one process are made with; texts live until the next row. */
struct mill {
    struct zipf apps, models, users;
    uint64_t state;
    struct exchange x;
    char app[24], team[16], user[24], response[48], key[24], upstream[32];
};

#define TEXT(to, fmt, n) ((struct str){ (to), (size_t)snprintf((to), sizeof(to), fmt, (n)) })

static void make_who(struct mill *m, size_t app)
{
    struct exchange *x = &m->x;
    size_t user = pick(&m->users, &m->state);

    x->who.app = TEXT(m->app, "app-%02zu", app);
    x->who.team = TEXT(m->team, "team-%zu", app % TEAMS);
    x->who.business_unit = app % TEAMS < 4 ? STR("product") : STR("operations");
    x->who.environment = next_random(&m->state) % 10 ? STR("production") : STR("staging");
    x->who.end_user = TEXT(m->user, "u%016" PRIx64, user * UINT64_C(0x9e3779b97f4a7c15));
    x->key_id = TEXT(m->key, "%016" PRIx64, app * UINT64_C(0x2545f4914f6cdd1d));
    if (next_random(&m->state) % 50 == 0) /* nobody knows whose */
        x->who = (struct exchange_who){ 0 };
}

static void make_usage(struct mill *m, const struct mix_model *model, struct usage *u)
{
    uint64_t *state = &m->state;
    int64_t input = log_normal(state, 1200, 1.3), output = log_normal(state, 250, 1.1);

    input = input < 1 ? 1 : input > 900000 ? 900000 : input;
    *u = (struct usage){ 0 };
    usage_set(u, USAGE_INPUT, input);
    if (strstr(model->name, "embedding"))
        return;
    usage_set(u, USAGE_OUTPUT, output);
    if (model->caches)
        usage_set(u, USAGE_CACHED_INPUT,
                  next_random(state) % 3 == 0 ? input * 3 / 4 / 128 * 128 : 0);
    if (model->writes) {
        int64_t written = next_random(state) % 8 == 0 ? input / 8 : 0;
        usage_set(u, USAGE_CACHE_WRITE, written);
        usage_set(u, USAGE_CACHE_WRITE_5M, next_random(state) % 4 ? written : 0);
        usage_set(u, USAGE_CACHE_WRITE_1H, written - u->n[USAGE_CACHE_WRITE_5M]);
    }
    if (model->reasons)
        usage_set(u, USAGE_REASONING, output * (int64_t)(next_random(state) % 4) / 5 / 64 * 64);
}

static void make_outcome(struct mill *m, const struct mix_model *model)
{
    struct exchange *x = &m->x;
    struct call_facts *f = &x->facts;
    uint64_t dice = next_random(&m->state) % 1000;

    x->status = dice < 12 ? 429 : dice < 17 ? 500 : dice < 20 ? 400 : 200;
    f->error_class = x->status == 429   ? ERROR_CLASS_RATE_LIMITED
                     : x->status == 500 ? ERROR_CLASS_STATUS_5XX
                     : x->status == 400 ? ERROR_CLASS_STATUS_4XX
                                        : ERROR_CLASS_NONE;
    f->billable = x->status == 200;
    f->usage_source = USAGE_SOURCE_UNKNOWN;
    f->part_count = 0;
    f->has_reported_cost = false;
    if (!f->billable || dice >= 998) /* a stream that was cut, and nobody knows */
        return;
    f->usage_source = dice == 997 ? USAGE_SOURCE_ESTIMATED : USAGE_SOURCE_REPORTED;
    f->part_count = 1;
    f->parts[0].model = str_from(model->name);
    make_usage(m, model, &f->parts[0].usage);
    if (model->provider != PROVIDER_OPENROUTER)
        return;
    f->has_reported_cost = true;
    f->reported_cost_field = "usage.cost";
    f->reported_cost_pusd = f->parts[0].usage.n[USAGE_INPUT] * 150000;
}

static void make_call(struct mill *m, size_t app)
{
    /* Each app has its own favourites. */
    const struct mix_model *model = &mix_models[(pick(&m->models, &m->state) + app) % MIX_MODELS];
    struct exchange *x = &m->x;
    struct call_facts *f = &x->facts;
    uint64_t tier = next_random(&m->state) % 40;

    f->provider = model->provider;
    f->api = strstr(model->name, "embedding") ? API_EMBEDDINGS : API_CHAT;
    f->model = f->model_requested = str_from(model->name);
    f->service_tier = model->provider != PROVIDER_OPENAI ? STR("")
                      : tier == 0                        ? STR("flex")
                      : tier == 1                        ? STR("priority")
                                                         : STR("default");
    f->stream = next_random(&m->state) % 3 != 0;
    f->finish_reason = next_random(&m->state) % 20 ? STR("stop") : STR("length");
    x->host = str_from(provider_name(model->provider));
    x->upstream = x->host;
    x->path = f->api == API_EMBEDDINGS                ? STR("/v1/embeddings")
              : model->provider == PROVIDER_ANTHROPIC ? STR("/v1/messages")
                                                      : STR("/v1/chat/completions");
    make_outcome(m, model);
}

static void make_row(struct mill *m, int64_t started_us, uint64_t n)
{
    struct exchange *x = &m->x;
    size_t app = pick(&m->apps, &m->state);
    uint8_t random[10];

    for (size_t i = 0; i < sizeof(random); i++)
        random[i] = (uint8_t)next_random(&m->state);
    x->started_us = started_us;
    x->id = uuid7_make((uint64_t)started_us, random);
    x->sequence = n + 1;
    x->request_us = log_normal(&m->state, 900, 0.5);
    x->head_us = x->request_us + log_normal(&m->state, 250000, 0.6);
    x->first_token_us = x->head_us + log_normal(&m->state, 150000, 0.8);
    x->end_us = x->first_token_us + log_normal(&m->state, 3500000, 1.0);
    make_who(m, app);
    make_call(m, app);
    if (!x->facts.stream || x->status != 200)
        x->first_token_us = -1;
    x->facts.response_id = TEXT(m->response, "chatcmpl-%016" PRIx64, next_random(&m->state));
    x->request_bytes = (uint64_t)log_normal(&m->state, 5000, 1.2);
    x->response_bytes = (uint64_t)log_normal(&m->state, 1500, 1.2);
}

static void start_mill(struct mill *m, uint64_t seed)
{
    make_zipf(&m->apps, APPS, 1.0);
    make_zipf(&m->models, MIX_MODELS, 1.1);
    make_zipf(&m->users, USERS, 0.9);
    m->state = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
    m->x = (struct exchange){ .writer = STR("w0-019a3f62-547b-7102-8304-05060708090a"),
                              .origin = STR("proxy"),
                              .user_agent = STR("OpenAI/Python 1.54.3") };
    m->x.facts.recognised_by = "host";
}

/* Rows [from, to) of a day's rows, evenly through it. */
static int write_file(struct mill *m, const char *path, int64_t day_us, const uint64_t span[3],
                      struct err *err)
{
    CLEANUP(parquet_abandon) struct parquet_writer *w = NULL;
    CLEANUP(arena_release) struct arena scratch = { 0 };
    struct parquet_cell cells[LEDGER_COLUMN_COUNT];

    if (ledger_create(path, &w, err) < 0)
        return -1;
    for (uint64_t n = span[0]; n < span[1]; n++) {
        int64_t at = (int64_t)((double)n / (double)span[2] * 86400e6);
        arena_reset(&scratch);
        make_row(m, day_us + at, n);
        ledger_cells(&m->x, 0, (int64_t)n * 30000, &scratch, cells);
        if (parquet_add_row(w, cells, err) < 0)
            return -1;
    }
    return parquet_finish(TAKE(w), err);
}

static int write_day(struct mill *m, const char *folder, int day, uint64_t rows, struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 };
    char date[TIMESTAMP_TEXT_BYTES], id[UUID_TEXT_BYTES];
    int64_t first_us = 0;

    timestamp_parse(STR(MIX_FROM_TEXT), &first_us);
    int64_t day_us = first_us + day * US_PER_DAY;
    buf_addf(&path, "%s/ledger/date=%s", folder, timestamp_format_date(day_us, date));
    if (dir_make(buf_cstr(&path), err) < 0)
        return -1;
    size_t folder_len = path.len;
    for (uint64_t from = 0, file = 0; from < rows; from += FILE_ROWS, file++) {
        uint8_t random[10] = { (uint8_t)file, (uint8_t)day };
        uint64_t to = from + FILE_ROWS < rows ? from + FILE_ROWS : rows;
        path.len = folder_len;
        buf_addf(&path, "/%s.parquet", uuid_format(uuid7_make((uint64_t)day_us, random), id));
        start_mill(m, (uint64_t)day << 32 | file);
        if (write_file(m, buf_cstr(&path), day_us, (const uint64_t[]){ from, to, rows }, err) < 0)
            return -1;
    }
    return 0;
}

static int write_days(const char *folder, uint64_t rows, unsigned first, unsigned step,
                      struct err *err)
{
    struct mill *m = mem_calloc(1, sizeof(*m));
    int r = 0;

    for (int day = (int)first; r == 0 && day < MIX_DAYS; day += (int)step)
        r = write_day(m, folder, day, rows / MIX_DAYS + ((uint64_t)day < rows % MIX_DAYS), err);
    free(m);
    return r;
}

int ledger_mix_write(const char *folder, uint64_t rows, unsigned processes, struct err *err)
{
    int failed = 0, status;

    for (unsigned i = 0; i < processes; i++) {
        pid_t pid = fork();
        if (pid < 0)
            return err_sys(err, "cannot fork");
        if (pid > 0)
            continue;
        int r = write_days(folder, rows, i, processes, err);
        if (r < 0)
            fprintf(stderr, "ledger_mix: %s\n", err->text);
        _exit(r < 0);
    }
    for (unsigned i = 0; i < processes; i++)
        failed |= wait(&status) < 0 || status != 0;
    return failed ? err_set(err, ERR_SYS, "a process that writes ledgers failed") : 0;
}
