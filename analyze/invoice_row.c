/* From a row of an export to its lines. */
#include "config.h"

#include "analyze/invoice_row.h"

#include <string.h>

#include "base/buf.h"
#include "base/timestamp.h"
#include "llm/price.h"

#define MICRO_SCALE 6
#define CENTS_SCALE (PUSD_SCALE - 2)

struct reading {
    const struct invoice_row *row;
    struct invoice_file *file;
    struct invoice *out;
    struct invoice_line line; /* what all lines of the row share */
};

static struct str cell(const struct reading *r, int c)
{
    return r->row->cells[c];
}

static struct str keep(struct reading *r, struct str s)
{
    return s.len ? arena_str(&r->out->arena, s) : (struct str){ 0 };
}

static int read_number(struct reading *r, int c, const char *what, int scale, i128 *ret,
                       struct err *err)
{
    struct str text = cell(r, c);

    switch (decimal_parse(text, scale, ret)) {
    case DECIMAL_OK:
    case DECIMAL_ROUNDED:
        return 0;
    default:
        return err_set(err, ERR_CORRUPT, "%s '%.*s' is no number", what, STR_ARG(text));
    }
}

static int read_moment(struct reading *r, int c, const char *what, int64_t *ret, struct err *err)
{
    struct str text = cell(r, c);

    if (timestamp_parse(text, ret))
        return 0;
    return err_set(err, ERR_CORRUPT, "%s '%.*s' is no time: expected as 2026-10-01", what,
                   STR_ARG(text));
}

static int read_span(struct reading *r, struct err *err)
{
    if (read_moment(r, INVOICE_CELL_FROM, "the beginning", &r->line.from_us, err) < 0)
        return -1;
    r->line.to_us = r->line.from_us + US_PER_DAY;
    if (!cell(r, INVOICE_CELL_TO).len)
        return 0;
    if (read_moment(r, INVOICE_CELL_TO, "the end", &r->line.to_us, err) < 0)
        return -1;
    if (r->line.to_us <= r->line.from_us)
        return err_set(err, ERR_CORRUPT, "the end '%.*s' is not after the beginning",
                       STR_ARG(cell(r, INVOICE_CELL_TO)));
    return 0;
}

static int check_currency(const struct reading *r, struct err *err)
{
    struct str currency = cell(r, INVOICE_CELL_CURRENCY);

    if (!currency.len || str_ieq(currency, STR("usd")))
        return 0;
    return err_set(err, ERR_UNSUPPORTED,
                   "an amount in '%.*s': prices here are in USD, export that currency",
                   STR_ARG(currency));
}

/* Amount and list price, whichever there are. */
static int read_amounts(struct reading *r, struct err *err)
{
    struct invoice_line *l = &r->line;
    static const struct {
        int cell, scale;
    } amounts[] = {
        {INVOICE_CELL_AMOUNT,        PUSD_SCALE },
        { INVOICE_CELL_AMOUNT_CENTS, CENTS_SCALE},
    };

    for (size_t i = 0; i < ARRAY_LEN(amounts); i++)
        if (cell(r, amounts[i].cell).len) {
            l->has_cost = true;
            if (read_number(r, amounts[i].cell, "amount", amounts[i].scale, &l->cost_pusd, err) < 0)
                return -1;
        }
    l->has_list = cell(r, INVOICE_CELL_LIST).len > 0;
    if (l->has_list &&
        read_number(r, INVOICE_CELL_LIST, "list price", PUSD_SCALE, &l->list_pusd, err) < 0)
        return -1;
    return check_currency(r, err);
}

static void add_line(struct reading *r, const struct invoice_line *line)
{
    vec_push(&r->out->lines, *line);
}

/* --- words --- */

struct word {
    const char *text;
    int value;
};

static int find_word(const struct word *words, struct str text, int otherwise)
{
    for (; words->text; words++)
        if (str_ieq(text, str_from(words->text)))
            return words->value;
    return otherwise;
}

/* Standard, in whatever words, is "". */
static struct str tier_of(struct reading *r, struct str text)
{
    static const struct word plain[] = {
        {"standard", 1},
        { "default", 1},
        { "auto",    1},
        { "message", 1},
        { NULL,      0},
    };

    return find_word(plain, text, 0) ? (struct str){ 0 } : keep(r, text);
}

static bool is_long_context(struct str text)
{
    return str_starts_with(text, STR(">")) || str_istarts_with(text, STR("200k-"));
}

static void take_circumstances(struct reading *r)
{
    struct invoice_line *l = &r->line;
    struct str geo = cell(r, INVOICE_CELL_GEO);
    bool plain = str_ieq(geo, STR("global")) || str_ieq(geo, STR("not_available"));

    l->model = keep(r, cell(r, INVOICE_CELL_MODEL));
    l->project = keep(r, cell(r, INVOICE_CELL_PROJECT));
    l->key = keep(r, cell(r, INVOICE_CELL_KEY));
    l->item = keep(r, cell(r, INVOICE_CELL_ITEM));
    l->geo = plain ? (struct str){ 0 } : keep(r, geo);
    l->tier = tier_of(r, cell(r, INVOICE_CELL_TIER));
    if (str_ieq(cell(r, INVOICE_CELL_BATCH), STR("true")))
        l->tier = STR("batch");
    if (str_ieq(cell(r, INVOICE_CELL_SPEED), STR("fast")))
        l->tier = STR("fast");
    l->long_context = is_long_context(cell(r, INVOICE_CELL_CONTEXT));
}

/* --- OpenAI --- */

/* What "gpt-4o-2024-08-06, cached input" says behind its model. */
static const struct word openai_parts[] = {
    {"input",               BILL_INPUT       },
    { "input tokens",       BILL_INPUT       },
    { "cached input",       BILL_CACHED_INPUT},
    { "cache write",        BILL_CACHE_WRITE },
    { "cache write input",  BILL_CACHE_WRITE },
    { "output",             BILL_OUTPUT      },
    { "output tokens",      BILL_OUTPUT      },
    { "audio input",        BILL_INPUT_AUDIO },
    { "cached audio input", BILL_CACHED_AUDIO},
    { "audio output",       BILL_OUTPUT_AUDIO},
    { "image input",        BILL_INPUT_IMAGE },
    { "cached image input", BILL_CACHED_IMAGE},
    { "image output",       BILL_OUTPUT_IMAGE},
    { "images",             BILL_IMAGES      },
    { NULL,                 0                },
};
/* Whole items that name no model. */
static const struct word openai_items[] = {
    {"web search tool calls",              BILL_WEB_SEARCHES },
    { "web search",                        BILL_WEB_SEARCHES },
    { "assistants api | file search",      BILL_FILE_SEARCHES},
    { "file search tool calls",            BILL_FILE_SEARCHES},
    { "assistants api | code interpreter", BILL_CODE_SESSIONS},
    { "code interpreter",                  BILL_CODE_SESSIONS},
    { "code interpreter sessions",         BILL_CODE_SESSIONS},
    { NULL,                                0                 },
};
static const struct word tiers[] = {
    {"batch",     1},
    { "flex",     1},
    { "priority", 1},
    { "scale",    1},
    { NULL,       0},
};

static void read_openai_item(struct reading *r)
{
    struct invoice_line *l = &r->line;
    struct str rest = l->item, part;

    l->unit = (enum bill_unit)find_word(openai_items, l->item, -1);
    if ((int)l->unit != -1)
        return;
    l->unit = l->item.len ? BILL_OTHER : BILL_NONE;
    if (str_find_char(l->item, ',', 0) < 0 || !str_split(&rest, ',', &part))
        return;
    l->model = str_trim(part);
    l->unit = BILL_NONE;
    while (str_split(&rest, ',', &part)) {
        part = str_trim(part);
        int unit = find_word(openai_parts, part, -1);
        if (unit >= 0)
            l->unit = (enum bill_unit)unit;
        else if (find_word(tiers, part, 0))
            l->tier = part;
    }
}

/* How many of what we count one of theirs is. */
static i128 scale_of(struct str unit)
{
    static const struct word scales[] = {
        {"1000_tokens",     1000   },
        { "1k tokens",      1000   },
        { "1000 tokens",    1000   },
        { "1m tokens",      1000000},
        { "1000000 tokens", 1000000},
        { "million tokens", 1000000},
        { "minutes",        60     },
        { "hours",          3600   },
        { NULL,             0      },
    };

    return find_word(scales, unit, 1);
}

static int read_quantity(struct reading *r, struct err *err)
{
    struct invoice_line *l = &r->line;

    l->has_quantity = cell(r, INVOICE_CELL_QUANTITY).len > 0;
    if (!l->has_quantity)
        return 0;
    if (read_number(r, INVOICE_CELL_QUANTITY, "quantity", MICRO_SCALE, &l->quantity_micro, err) < 0)
        return -1;
    l->quantity_micro *= scale_of(cell(r, INVOICE_CELL_QUANTITY_UNIT));
    return 0;
}

static int add_openai_cost(struct reading *r, struct err *err)
{
    if (!cell(r, INVOICE_CELL_AMOUNT).len) {
        r->file->empty_rows++;
        return 0;
    }
    if (read_amounts(r, err) < 0 || read_quantity(r, err) < 0)
        return -1;
    read_openai_item(r);
    add_line(r, &r->line);
    return 0;
}

/* One line for each kind that has a quantity. */
static int add_counts(struct reading *r, i128 counts[BILL_UNIT_COUNT])
{
    for (int u = BILL_INPUT; u < BILL_UNIT_COUNT; u++) {
        struct invoice_line line = r->line;
        if (!counts[u])
            continue;
        line.unit = (enum bill_unit)u;
        line.has_quantity = true;
        line.quantity_micro = counts[u];
        add_line(r, &line);
    }
    return 0;
}

static int read_counts(struct reading *r, i128 counts[BILL_UNIT_COUNT], bool *ret_any,
                       struct err *err)
{
    *ret_any = false;
    for (int u = 0; u < BILL_UNIT_COUNT; u++) {
        int c = INVOICE_CELL_UNIT + u;
        counts[u] = 0;
        if (!cell(r, c).len)
            continue;
        *ret_any = true;
        if (read_number(r, c, bill_unit_name((enum bill_unit)u), MICRO_SCALE, &counts[u], err) < 0)
            return -1;
        if (counts[u] < 0)
            return err_set(err, ERR_CORRUPT, "%s '%.*s' is negative",
                           bill_unit_name((enum bill_unit)u), STR_ARG(cell(r, c)));
    }
    return 0;
}

/* OpenAI counts what is cached, and audio and images, in input_tokens and output_tokens, too. */
static int add_openai_usage(struct reading *r, struct err *err)
{
    i128 n[BILL_UNIT_COUNT], all = 0;
    bool any;

    if (read_counts(r, n, &any, err) < 0)
        return -1;
    if (!any && !cell(r, INVOICE_CELL_ALL_INPUT).len) {
        r->file->empty_rows++;
        return 0;
    }
    if (cell(r, INVOICE_CELL_ALL_INPUT).len &&
        read_number(r, INVOICE_CELL_ALL_INPUT, "input_tokens", MICRO_SCALE, &all, err) < 0)
        return -1;
    i128 cached = n[BILL_CACHED_INPUT];
    n[BILL_CACHED_INPUT] -= n[BILL_CACHED_AUDIO] + n[BILL_CACHED_IMAGE];
    i128 audio = n[BILL_INPUT_AUDIO] - n[BILL_CACHED_AUDIO];
    i128 image = n[BILL_INPUT_IMAGE] - n[BILL_CACHED_IMAGE];
    n[BILL_INPUT_AUDIO] = audio;
    n[BILL_INPUT_IMAGE] = image;
    n[BILL_INPUT] = all - cached - n[BILL_CACHE_WRITE] - audio - image;
    n[BILL_OUTPUT] -= n[BILL_OUTPUT_AUDIO] + n[BILL_OUTPUT_IMAGE];
    for (int u = 0; u < BILL_UNIT_COUNT; u++)
        if (n[u] < 0)
            return err_set(err, ERR_CORRUPT, "the parts of %s are more than the whole",
                           u == BILL_OUTPUT ? "output_tokens" : "input_tokens");
    return add_counts(r, n);
}

/* --- Anthropic --- */

static const struct word anthropic_kinds[] = {
    {"uncached_input_tokens",                     BILL_INPUT         },
    { "input_no_cache",                           BILL_INPUT         },
    { "output_tokens",                            BILL_OUTPUT        },
    { "output",                                   BILL_OUTPUT        },
    { "cache_read_input_tokens",                  BILL_CACHED_INPUT  },
    { "input_cache_read",                         BILL_CACHED_INPUT  },
    { "cache_creation.ephemeral_5m_input_tokens", BILL_CACHE_WRITE_5M},
    { "input_cache_write_5m",                     BILL_CACHE_WRITE_5M},
    { "cache_creation.ephemeral_1h_input_tokens", BILL_CACHE_WRITE_1H},
    { "input_cache_write_1h",                     BILL_CACHE_WRITE_1H},
    { "web_search",                               BILL_WEB_SEARCHES  },
    { "code_execution",                           BILL_CODE_SESSIONS },
    { NULL,                                       0                  },
};

static int add_anthropic_cost(struct reading *r, struct err *err)
{
    struct str kind = cell(r, INVOICE_CELL_TOKEN_TYPE);

    if (read_amounts(r, err) < 0)
        return -1;
    if (!r->line.has_cost)
        return err_set(err, ERR_CORRUPT, "the row has no amount");
    if (!kind.len)
        kind = cell(r, INVOICE_CELL_COST_TYPE);
    r->line.unit = (enum bill_unit)find_word(anthropic_kinds, kind, BILL_OTHER);
    if (!r->line.item.len)
        r->line.item = keep(r, kind);
    add_line(r, &r->line);
    return 0;
}

static int add_anthropic_usage(struct reading *r, struct err *err)
{
    i128 n[BILL_UNIT_COUNT];
    bool any;

    if (read_counts(r, n, &any, err) < 0)
        return -1;
    r->file->empty_rows += !any;
    return add_counts(r, n);
}

/* --- AWS and FOCUS --- */

static int add_other(struct reading *r)
{
    r->file->other_rows++;
    r->file->other_pusd += r->line.cost_pusd;
    return 0;
}

/* What a usage type of Bedrock ends with, the longest first. */
static const struct word bedrock_ends[] = {
    {"-cache-write-1h-input-token-count", BILL_CACHE_WRITE_1H},
    { "-cache-write-input-token-count",   BILL_CACHE_WRITE   },
    { "-cache-read-input-token-count",    BILL_CACHED_INPUT  },
    { "-mantle-input-tokens",             BILL_INPUT         },
    { "-mantle-output-tokens",            BILL_OUTPUT        },
    { "-input-tokens",                    BILL_INPUT         },
    { "-output-tokens",                   BILL_OUTPUT        },
    { NULL,                               0                  },
};

/* "USE1-Claude4.6Sonnet-input-tokens-batch". */
static bool read_usage_type(struct reading *r)
{
    struct invoice_line *l = &r->line;
    struct str type = l->item;

    for (const struct word *t = tiers; t->text; t++) {
        size_t len = strlen(t->text);
        if (type.len > len + 1 && str_iends_with(type, str_from(t->text)) &&
            type.ptr[type.len - len - 1] == '-') {
            l->tier = str_from(t->text);
            type.len -= len + 1;
        }
    }
    for (const struct word *e = bedrock_ends; e->text; e++) {
        if (!str_iends_with(type, str_from(e->text)))
            continue;
        type.len -= strlen(e->text);
        ptrdiff_t dash = str_find_char(type, '-', 0);
        l->model = dash < 0 ? type : str_sub(type, (size_t)dash + 1, type.len);
        l->unit = (enum bill_unit)e->value;
        return true;
    }
    return false;
}

static int add_aws_line(struct reading *r, struct err *err)
{
    struct str charge = cell(r, INVOICE_CELL_CHARGE);
    bool is_usage = !charge.len || str_iends_with(charge, STR("Usage"));

    if (read_amounts(r, err) < 0)
        return -1;
    if (!is_usage ||
        (!read_usage_type(r) && str_find(cell(r, INVOICE_CELL_SERVICE), STR("Bedrock"), 0) < 0))
        return add_other(r);
    if (read_quantity(r, err) < 0)
        return -1;
    if (r->line.unit == BILL_NONE)
        r->line.unit = BILL_OTHER;
    add_line(r, &r->line);
    return 0;
}

static const struct word focus_providers[] = {
    {"openai",               PROVIDER_OPENAI      },
    { "anthropic",           PROVIDER_ANTHROPIC   },
    { "aws",                 PROVIDER_BEDROCK     },
    { "amazon web services", PROVIDER_BEDROCK     },
    { "microsoft",           PROVIDER_AZURE_OPENAI},
    { "microsoft azure",     PROVIDER_AZURE_OPENAI},
    { "google cloud",        PROVIDER_VERTEX      },
    { "google",              PROVIDER_GEMINI      },
    { NULL,                  0                    },
};

static int add_focus_line(struct reading *r, struct err *err)
{
    struct str who = cell(r, INVOICE_CELL_SERVICE), what = cell(r, INVOICE_CELL_COST_TYPE);
    struct invoice_line *l = &r->line;

    if (read_amounts(r, err) < 0)
        return -1;
    if (!str_ieq(cell(r, INVOICE_CELL_CHARGE), STR("Usage")) ||
        (what.len && !str_ieq(what, STR("AI and Machine Learning"))))
        return add_other(r);
    l->provider = (enum provider)find_word(focus_providers, who, PROVIDER_UNKNOWN);
    if (cell(r, INVOICE_CELL_PROVIDER).len)
        provider_parse(cell(r, INVOICE_CELL_PROVIDER), &l->provider);
    if (l->provider == PROVIDER_UNKNOWN)
        provider_parse(who, &l->provider);
    if (!l->model.len)
        l->model = l->item;
    const struct bill_meter *meter = bill_meter_find(cell(r, INVOICE_CELL_TOKEN_TYPE));
    l->unit = meter ? meter->unit : BILL_OTHER;
    if (read_quantity(r, err) < 0)
        return -1;
    l->has_quantity &= l->unit != BILL_NONE;
    add_line(r, l);
    return 0;
}

/* --- */

static const struct {
    int (*add)(struct reading *r, struct err *err);
    enum provider provider;
} readers[INVOICE_FORMAT_COUNT] = {
    [INVOICE_OPENAI_COSTS] = {add_openai_cost,      PROVIDER_OPENAI   },
    [INVOICE_OPENAI_USAGE] = { add_openai_usage,    PROVIDER_OPENAI   },
    [INVOICE_ANTHROPIC_COSTS] = { add_anthropic_cost,  PROVIDER_ANTHROPIC},
    [INVOICE_ANTHROPIC_USAGE] = { add_anthropic_usage, PROVIDER_ANTHROPIC},
    [INVOICE_AWS_CUR] = { add_aws_line,        PROVIDER_BEDROCK  },
    [INVOICE_FOCUS] = { add_focus_line,      PROVIDER_UNKNOWN  },
};

int invoice_row_add(const struct invoice_row *row, struct invoice_file *file, struct invoice *ret,
                    struct err *err)
{
    struct reading r = { .row = row, .file = file, .out = ret };

    if (ret->lines.len + BILL_UNIT_COUNT > INVOICE_LINES_MAX)
        return err_set(err, ERR_LIMIT, "more than %d lines: reconcile fewer months at a time",
                       INVOICE_LINES_MAX);
    file->rows++;
    r.line.provider = readers[file->format].provider;
    r.line.row = row->number;
    r.line.file = (uint32_t)ret->files.len;
    if (read_span(&r, err) < 0)
        return -1;
    take_circumstances(&r);
    return readers[file->format].add(&r, err);
}
