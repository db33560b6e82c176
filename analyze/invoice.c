#include "config.h"

#include "analyze/invoice.h"

#include "analyze/invoice_row.h"
#include "base/buf.h"
#include "base/csv.h"
#include "base/jscan.h"
#include "capture/import_input.h"

#define COLUMNS_MAX    1024 /* a CUR has some 300, and tags */
#define NAME_BYTES_MAX 120
#define DEPTH_MAX      4

static const char *const format_names[] = {
#define X(constant, name) name,
    INVOICE_FORMATS(X)
#undef X
};

const char *invoice_format_name(enum invoice_format f)
{
    return format_names[f];
}

/* --- which column says what --- */

struct column {
    const char *name; /* members of members of JSON have dots */
    int cell;
};

#define CELL(name) INVOICE_CELL_##name
#define UNIT(name) (INVOICE_CELL_UNIT + BILL_##name)

static const struct column openai_costs[] = {
    {"start_time",       CELL(FROM)         },
    { "end_time",        CELL(TO)           },
    { "amount_value",    CELL(AMOUNT)       },
    { "amount.value",    CELL(AMOUNT)       },
    { "amount_currency", CELL(CURRENCY)     },
    { "amount.currency", CELL(CURRENCY)     },
    { "quantity",        CELL(QUANTITY)     },
    { "quantity_unit",   CELL(QUANTITY_UNIT)},
    { "line_item",       CELL(ITEM)         },
    { "project_id",      CELL(PROJECT)      },
    { "api_key_id",      CELL(KEY)          },
    { NULL,              0                  },
};
static const struct column openai_usage[] = {
    {"start_time",                 CELL(FROM)        },
    { "end_time",                  CELL(TO)          },
    { "model",                     CELL(MODEL)       },
    { "batch",                     CELL(BATCH)       },
    { "service_tier",              CELL(TIER)        },
    { "project_id",                CELL(PROJECT)     },
    { "api_key_id",                CELL(KEY)         },
    { "num_model_requests",        UNIT(REQUESTS)    },
    { "input_tokens",              CELL(ALL_INPUT)   },
    { "input_cached_tokens",       UNIT(CACHED_INPUT)},
    { "input_cache_write_tokens",  UNIT(CACHE_WRITE) },
    { "output_tokens",             UNIT(OUTPUT)      },
    { "input_audio_tokens",        UNIT(INPUT_AUDIO) },
    { "input_cached_audio_tokens", UNIT(CACHED_AUDIO)},
    { "output_audio_tokens",       UNIT(OUTPUT_AUDIO)},
    { "input_image_tokens",        UNIT(INPUT_IMAGE) },
    { "input_cached_image_tokens", UNIT(CACHED_IMAGE)},
    { "output_image_tokens",       UNIT(OUTPUT_IMAGE)},
    { "images",                    UNIT(IMAGES)      },
    { "seconds",                   UNIT(SECONDS)     },
    { "characters",                UNIT(CHARACTERS)  },
    { NULL,                        0                 },
};
static const struct column anthropic_costs[] = {
    {"usage_date_utc",  CELL(FROM)        },
    { "starting_at",    CELL(FROM)        },
    { "ending_at",      CELL(TO)          },
    { "model",          CELL(MODEL)       },
    { "workspace",      CELL(PROJECT)     },
    { "workspace_id",   CELL(PROJECT)     },
    { "api_key",        CELL(KEY)         },
    { "usage_type",     CELL(TIER)        },
    { "service_tier",   CELL(TIER)        },
    { "context_window", CELL(CONTEXT)     },
    { "token_type",     CELL(TOKEN_TYPE)  },
    { "cost_type",      CELL(COST_TYPE)   },
    { "cost_usd",       CELL(AMOUNT)      },
    { "amount",         CELL(AMOUNT_CENTS)},
    { "currency",       CELL(CURRENCY)    },
    { "list_price_usd", CELL(LIST)        },
    { "description",    CELL(ITEM)        },
    { "inference_geo",  CELL(GEO)         },
    { "speed",          CELL(SPEED)       },
    { NULL,             0                 },
};
static const struct column anthropic_usage[] = {
    {"usage_date_utc",                            CELL(FROM)          },
    { "starting_at",                              CELL(FROM)          },
    { "ending_at",                                CELL(TO)            },
    { "model_version",                            CELL(MODEL)         },
    { "model",                                    CELL(MODEL)         },
    { "workspace",                                CELL(PROJECT)       },
    { "workspace_id",                             CELL(PROJECT)       },
    { "api_key",                                  CELL(KEY)           },
    { "api_key_id",                               CELL(KEY)           },
    { "usage_type",                               CELL(TIER)          },
    { "service_tier",                             CELL(TIER)          },
    { "context_window",                           CELL(CONTEXT)       },
    { "inference_geo",                            CELL(GEO)           },
    { "speed",                                    CELL(SPEED)         },
    { "usage_input_tokens_no_cache",              UNIT(INPUT)         },
    { "uncached_input_tokens",                    UNIT(INPUT)         },
    { "usage_input_tokens_cache_write_5m",        UNIT(CACHE_WRITE_5M)},
    { "cache_creation.ephemeral_5m_input_tokens", UNIT(CACHE_WRITE_5M)},
    { "usage_input_tokens_cache_write_1h",        UNIT(CACHE_WRITE_1H)},
    { "cache_creation.ephemeral_1h_input_tokens", UNIT(CACHE_WRITE_1H)},
    { "usage_input_tokens_cache_read",            UNIT(CACHED_INPUT)  },
    { "cache_read_input_tokens",                  UNIT(CACHED_INPUT)  },
    { "usage_output_tokens",                      UNIT(OUTPUT)        },
    { "output_tokens",                            UNIT(OUTPUT)        },
    { "web_search_count",                         UNIT(WEB_SEARCHES)  },
    { "server_tool_use.web_search_requests",      UNIT(WEB_SEARCHES)  },
    { NULL,                                       0                   },
};
static const struct column aws_cur[] = {
    {"line_item_usage_start_date",     CELL(FROM)         },
    { "line_item_usage_end_date",      CELL(TO)           },
    { "line_item_product_code",        CELL(SERVICE)      },
    { "line_item_line_item_type",      CELL(CHARGE)       },
    { "line_item_usage_type",          CELL(ITEM)         },
    { "line_item_usage_amount",        CELL(QUANTITY)     },
    { "pricing_unit",                  CELL(QUANTITY_UNIT)},
    { "line_item_unblended_cost",      CELL(AMOUNT)       },
    { "pricing_public_on_demand_cost", CELL(LIST)         },
    { "line_item_currency_code",       CELL(CURRENCY)     },
    { "line_item_usage_account_id",    CELL(PROJECT)      },
    { "line_item_iam_principal",       CELL(KEY)          },
    { "product_region_code",           CELL(GEO)          },
    { NULL,                            0                  },
};
static const struct column focus[] = {
    {"ChargePeriodStart",    CELL(FROM)         },
    { "ChargePeriodEnd",     CELL(TO)           },
    { "ServiceCategory",     CELL(COST_TYPE)    },
    { "x_Provider",          CELL(PROVIDER)     },
    { "ProviderName",        CELL(SERVICE)      },
    { "ServiceProviderName", CELL(SERVICE)      },
    { "ChargeCategory",      CELL(CHARGE)       },
    { "x_Model",             CELL(MODEL)        },
    { "x_ServiceTier",       CELL(TIER)         },
    { "SkuId",               CELL(ITEM)         },
    { "SkuMeter",            CELL(TOKEN_TYPE)   },
    { "ConsumedQuantity",    CELL(QUANTITY)     },
    { "ConsumedUnit",        CELL(QUANTITY_UNIT)},
    { "BilledCost",          CELL(AMOUNT)       },
    { "ListCost",            CELL(LIST)         },
    { "BillingCurrency",     CELL(CURRENCY)     },
    { "SubAccountId",        CELL(PROJECT)      },
    { "RegionId",            CELL(GEO)          },
    { NULL,                  0                  },
};

/* A file is of the first format whose marks are all there. */
static const struct {
    enum invoice_format format;
    const struct column *columns;
    const char *marks[3];
} formats[] = {
    {INVOICE_OPENAI_COSTS,     openai_costs,    { "start_time", "amount_value", "line_item" }          },
    { INVOICE_OPENAI_COSTS,    openai_costs,    { "start_time", "amount.value", NULL }                 },
    { INVOICE_OPENAI_USAGE,    openai_usage,    { "start_time", "num_model_requests", NULL }           },
    { INVOICE_ANTHROPIC_COSTS, anthropic_costs, { "usage_date_utc", "cost_usd", NULL }                 },
    { INVOICE_ANTHROPIC_COSTS, anthropic_costs, { "starting_at", "amount", NULL }                      },
    { INVOICE_ANTHROPIC_USAGE, anthropic_usage, { "usage_date_utc", "usage_output_tokens", NULL }      },
    { INVOICE_ANTHROPIC_USAGE, anthropic_usage, { "starting_at", "output_tokens", NULL }               },
    { INVOICE_AWS_CUR,         aws_cur,         { "line_item_usage_type", "line_item_unblended_cost" } },
    { INVOICE_FOCUS,           focus,           { "ChargePeriodStart", "BilledCost", "ChargeCategory" }},
};

static int cell_of(const struct column *columns, struct str name)
{
    for (; columns->name; columns++)
        if (str_ieq(name, str_from(columns->name)))
            return columns->cell;
    return -1;
}

static bool has_name(const struct str *names, size_t count, const char *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (str_ieq(names[i], str_from(wanted)))
            return true;
    return false;
}

/* The columns of the first format whose marks are among names, or NULL. */
static const struct column *recognise(const struct str *names, size_t count,
                                      enum invoice_format *ret)
{
    for (size_t f = 0; f < ARRAY_LEN(formats); f++) {
        bool all = true;
        for (size_t m = 0; m < ARRAY_LEN(formats[f].marks) && formats[f].marks[m]; m++)
            all &= has_name(names, count, formats[f].marks[m]);
        if (all) {
            *ret = formats[f].format;
            return formats[f].columns;
        }
    }
    return NULL;
}

static int not_recognised(struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED,
                   "no invoice or usage export that is known here: OpenAI costs or usage, "
                   "Anthropic costs or usage, AWS Cost and Usage Report 2.0, FOCUS");
}

/* --- tables --- */

static int read_header(struct csv_reader *csv, struct invoice_file *file, int *cells,
                       size_t *ret_count, struct err *err)
{
    const struct str *names;
    size_t count;
    int r = csv_reader_next(csv, &names, &count, err);

    if (r < 0)
        return -1;
    if (r == 0)
        return err_set(err, ERR_CORRUPT, "the file is empty");
    if (count > COLUMNS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d columns", COLUMNS_MAX);
    const struct column *columns = recognise(names, count, &file->format);
    if (!columns)
        return not_recognised(err);
    for (size_t i = 0; i < count; i++)
        cells[i] = cell_of(columns, str_trim(names[i]));
    *ret_count = count;
    return 0;
}

static int read_table(struct csv_reader *csv, struct invoice_file *file, struct invoice *ret,
                      struct err *err)
{
    int cells[COLUMNS_MAX];
    size_t columns = 0, count;
    const struct str *fields;
    int r;

    if (read_header(csv, file, cells, &columns, err) < 0)
        return -1;
    while ((r = csv_reader_next(csv, &fields, &count, err)) > 0) {
        struct invoice_row row = { .number = csv_reader_line(csv) };
        if (count > columns)
            return err_set(err, ERR_CORRUPT, "line %llu: %zu fields where the header has %zu",
                           (unsigned long long)row.number, count, columns);
        for (size_t i = 0; i < count; i++)
            if (cells[i] >= 0 && fields[i].len)
                row.cells[cells[i]] = str_trim(fields[i]);
        if (invoice_row_add(&row, file, ret, err) < 0)
            return err_wrap(err, "line %llu", (unsigned long long)row.number);
    }
    return r;
}

/* Tabs before the first line's end make it TSV. */
static char separator_of(struct str head)
{
    ptrdiff_t end = str_find_char(head, '\n', 0);

    return str_find_char(str_sub(head, 0, end < 0 ? head.len : (size_t)end), '\t', 0) < 0 ? ','
                                                                                          : '\t';
}

static int read_csv(struct import_input *in, struct invoice_file *file, struct invoice *ret,
                    struct str head, struct err *err)
{
    char separator = separator_of(head);
    FILE *stream = import_input_file(in);
    struct csv_reader *csv = csv_reader_new(stream, separator);
    int r = read_table(csv, file, ret, err);

    csv_reader_free(csv);
    fclose(stream);
    return r == 0 ? import_input_failure(in, err) : r;
}

/* --- API pages --- */

/* One result of a bucket, flat: "amount.value" and its like. */
struct members {
    struct arena arena; /* of the names and values */
    struct str names[COLUMNS_MAX], values[COLUMNS_MAX];
    size_t count;
};

static void add_member(struct members *m, struct str prefix, struct str name, struct str value)
{
    CLEANUP(buf_release) struct buf full = { 0 };

    if (m->count == COLUMNS_MAX || prefix.len + name.len > NAME_BYTES_MAX)
        return;
    if (prefix.len) {
        buf_add_str(&full, prefix);
        buf_add_byte(&full, '.');
    }
    buf_add_str(&full, name);
    m->names[m->count] = arena_str(&m->arena, buf_str(&full));
    m->values[m->count++] = arena_str(&m->arena, value);
}

static void take_value(struct members *m, struct jscan *s, struct str prefix, struct str name)
{
    enum jscan_type type = jscan_peek(s);
    CLEANUP(buf_release) struct buf text = { 0 };

    if (type == JSCAN_STRING && jscan_string(s, &text))
        add_member(m, prefix, name, buf_str(&text));
    else if (type == JSCAN_NULL || type == JSCAN_ARRAY)
        jscan_skip(s);
    else
        add_member(m, prefix, name, jscan_skip_raw(s));
}

/* The members of the object at the cursor; `skip` is left out. */
static void flatten(struct members *m, struct jscan *s, struct str prefix, int depth)
{
    struct str name;

    if (!jscan_enter_object(s))
        return;
    while (jscan_next_member(s, &name))
        if (jscan_peek(s) == JSCAN_OBJECT && depth < DEPTH_MAX && !prefix.len)
            flatten(m, s, name, depth + 1);
        else
            take_value(m, s, prefix, name);
}

/* The text of `results` in a bucket, and the bucket's own members. */
static struct str open_bucket(struct jscan *s, struct members *m)
{
    struct str results = { 0 }, name;

    if (!jscan_enter_object(s))
        return results;
    while (jscan_next_member(s, &name))
        if (str_eq(name, STR("results")) && jscan_peek(s) == JSCAN_ARRAY)
            results = jscan_skip_raw(s);
        else
            take_value(m, s, STR(""), name);
    return results;
}

static int add_result(const struct members *m, struct invoice_file *file, bool *known,
                      struct invoice *ret, struct err *err)
{
    const struct column *columns = recognise(m->names, m->count, &file->format);
    struct invoice_row row = { .number = file->rows + 1 };

    if (!columns)
        return not_recognised(err);
    *known = true;
    for (size_t i = 0; i < m->count; i++) {
        int cell = cell_of(columns, m->names[i]);
        if (cell >= 0)
            row.cells[cell] = m->values[i];
    }
    return invoice_row_add(&row, file, ret, err);
}

static int read_bucket(struct jscan *s, struct invoice_file *file, bool *known, struct invoice *ret,
                       struct err *err)
{
    struct members m = { 0 };
    struct jscan results;
    int r = 0;

    jscan_init(&results, open_bucket(s, &m));
    size_t own = m.count;
    if (results.text.len && jscan_enter_array(&results))
        while (r == 0 && jscan_next_element(&results)) {
            m.count = own;
            flatten(&m, &results, STR(""), 0);
            r = add_result(&m, file, known, ret, err);
        }
    arena_release(&m.arena);
    if (r == 0 && results.failed && results.text.len)
        r = err_set(err, ERR_CORRUPT, "the results cannot be read as JSON");
    return r;
}

static int read_page(struct str text, struct invoice_file *file, bool *known, struct invoice *ret,
                     struct err *err)
{
    bool has_data = false;
    struct jscan s;
    struct str name;
    int r = 0;

    jscan_init(&s, text);
    if (!jscan_enter_object(&s))
        return not_recognised(err);
    while (r == 0 && jscan_next_member(&s, &name)) {
        if (!str_eq(name, STR("data")) || !jscan_enter_array(&s)) {
            jscan_skip(&s);
            continue;
        }
        has_data = true;
        while (r == 0 && jscan_next_element(&s))
            r = read_bucket(&s, file, known, ret, err);
    }
    if (r == 0 && s.failed)
        return err_set(err, ERR_CORRUPT, "no JSON at byte %zu of the page", s.failed_at);
    return r < 0 ? -1 : has_data ? 0 : not_recognised(err);
}

static int read_pages(struct import_input *in, struct invoice_file *file, struct invoice *ret,
                      struct err *err)
{
    struct import_elements pages = { 0 };
    struct str text;
    uint64_t line;
    bool known = false;
    int r;

    while ((r = import_input_element(in, &pages, &text, &line, err)) > 0)
        if (read_page(text, file, &known, ret, err) < 0)
            return err_wrap(err, "page at line %llu", (unsigned long long)line);
    if (r == 0 && !known)
        return err_set(err, ERR_CORRUPT, "no result in any page: ask for more than empty buckets");
    return r;
}

/* --- files --- */

/* What people have at hand instead, by how it begins. */
static const struct {
    struct str mark;
    const char *told;
} others[] = {
    {STR_INIT("PAR1"),        "this is Parquet: have the export made as CSV (gzip is fine)"},
    { STR_INIT("PK\x03\x04"),
     "this is a ZIP file or a spreadsheet: unpack it, or save the sheet as CSV"            },
    { STR_INIT("%PDF"),
     "this is a PDF: download the export of costs or usage, as CSV, in its place"          },
};

static int read_file(const char *path, struct invoice_file *file, struct invoice *ret,
                     struct err *err)
{
    CLEANUP(import_input_close) struct import_input *in = NULL;
    struct str head;

    if (import_input_open(path, &in, err) < 0 || import_input_peek(in, &head, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (str_starts_with(head, others[i].mark))
            return err_set(err, ERR_UNSUPPORTED, "%s", others[i].told);
    head = str_trim(head);
    bool is_json = head.len && (head.ptr[0] == '{' || head.ptr[0] == '[');
    return is_json ? read_pages(in, file, ret, err) : read_csv(in, file, ret, head, err);
}

int invoice_read(const char *path, struct invoice *ret, struct err *err)
{
    struct invoice_file file = { .path = arena_str(&ret->arena, str_from(path)) };
    size_t before = ret->lines.len;

    if (read_file(path, &file, ret, err) < 0) {
        ret->lines.len = before;
        return err_wrap(err, "'%s'", path);
    }
    file.lines = ret->lines.len - before;
    vec_push(&ret->files, file);
    return 0;
}

void invoice_release(struct invoice *v)
{
    vec_release(&v->lines);
    vec_release(&v->files);
    arena_release(&v->arena);
}
