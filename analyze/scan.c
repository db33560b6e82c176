#include "config.h"

#include "analyze/scan.h"

#include <assert.h>
#include <string.h>

#include "base/map.h"
#include "base/vec.h"

enum {
    WHO_COLUMNS = 6,
    RULE_INPUTS = 10,
};

/* The columns rules fill, and where they stand in struct exchange_who. */
static const struct who_column {
    enum ledger_column column;
    size_t offset;
} who_columns[WHO_COLUMNS] = {
    {LEDGER_APP,            offsetof(struct exchange_who, app)          },
    { LEDGER_TEAM,          offsetof(struct exchange_who, team)         },
    { LEDGER_BUSINESS_UNIT, offsetof(struct exchange_who, business_unit)},
    { LEDGER_ENVIRONMENT,   offsetof(struct exchange_who, environment)  },
    { LEDGER_END_USER,      offsetof(struct exchange_who, end_user)     },
    { LEDGER_PURPOSE,       offsetof(struct exchange_who, purpose)      },
};

/* The columns rules read, and where they stand in struct attribution_input. */
static const struct input_column {
    enum ledger_column column;
    size_t offset;
} input_columns[RULE_INPUTS] = {
    {LEDGER_HOST,            offsetof(struct attribution_input, host)          },
    { LEDGER_PATH,           offsetof(struct attribution_input, path)          },
    { LEDGER_KEY_ID,         offsetof(struct attribution_input, key_id)        },
    { LEDGER_USER_AGENT,     offsetof(struct attribution_input, user_agent)    },
    { LEDGER_CLIENT_ADDRESS, offsetof(struct attribution_input, client_address)},
    { LEDGER_UPSTREAM,       offsetof(struct attribution_input, upstream)      },
    { LEDGER_PROVIDER,       offsetof(struct attribution_input, provider)      },
    { LEDGER_MODEL,          offsetof(struct attribution_input, model)         },
    { LEDGER_END_USER,       offsetof(struct attribution_input, end_user)      },
    { LEDGER_LABELS,         offsetof(struct attribution_input, labels)        },
};

/* A who column as the rules make it: codes into its own dictionary, code 0 = empty. */
struct derived {
    struct map values;
    VEC(struct str) dict;
    VEC(uint32_t) codes;
};

struct scan {
    struct scan_options options;
    struct archive_ledgers ledgers;
    size_t next_ledger;
    struct parquet_file *file; /* open, or NULL */
    int file_columns[LEDGER_COLUMN_COUNT];
    size_t next_group;
    struct parquet_values values[LEDGER_COLUMN_COUNT];
    struct scan_columns decode; /* wanted, and what the rules need */
    struct derived derived[WHO_COLUMNS];
    struct block block;
};

static struct str *str_at(void *object, size_t offset)
{
    return (struct str *)(void *)((char *)object + offset);
}

int scan_open(const struct archive *a, const struct scan_options *options, struct scan **ret,
              struct err *err)
{
    CLEANUP(scan_close) struct scan *s = mem_calloc(1, sizeof(*s));

    s->options = *options;
    s->decode = options->columns;
    if (options->attribution) {
        for (size_t i = 0; i < RULE_INPUTS; i++)
            s->decode.want[input_columns[i].column] = true;
        for (size_t i = 0; i < WHO_COLUMNS; i++)
            s->decode.want[who_columns[i].column] = true;
    }
    if (archive_ledgers_list(a, options->from_us, options->to_us, &s->ledgers, err) < 0)
        return -1;
    *ret = TAKE(s);
    return 0;
}

void scan_close(struct scan *s)
{
    if (!s)
        return;
    parquet_close(s->file);
    archive_ledgers_release(&s->ledgers);
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++)
        parquet_values_release(&s->values[c]);
    for (size_t i = 0; i < WHO_COLUMNS; i++) {
        map_release(&s->derived[i].values);
        vec_release(&s->derived[i].dict);
        vec_release(&s->derived[i].codes);
    }
    free(s);
}

static int decode_column(struct scan *s, size_t group, enum ledger_column c, struct err *err)
{
    struct block_column *col = &s->block.columns[c];
    struct parquet_values *v = &s->values[c];

    if (s->file_columns[c] < 0) {
        *col = (struct block_column){ .absent = true };
        return 0;
    }
    if (parquet_read(s->file, group, (size_t)s->file_columns[c], v, err) < 0)
        return err_wrap(err, "ledger '%s'", s->block.path);
    if (v->count != s->block.rows)
        return err_set(err, ERR_CORRUPT, "ledger '%s': column '%s' has %zu rows, its group %zu",
                       s->block.path, ledger_columns()[c].name, v->count, s->block.rows);
    *col = (struct block_column){ .ints = v->ints,
                                  .codes = v->codes,
                                  .dict = v->dictionary,
                                  .dict_len = v->dictionary_len,
                                  .is_null = v->is_null };
    return 0;
}

static uint32_t intern(struct derived *d, struct str value)
{
    bool is_new;

    if (d->dict.len == 0)
        vec_push(&d->dict, (struct str){ 0 });
    if (value.len == 0)
        return 0;
    struct map_entry *e = map_put(&d->values, value, &is_new);
    if (is_new) {
        e->value = d->dict.len;
        vec_push(&d->dict, e->key);
    }
    return (uint32_t)e->value;
}

/* The codes of everything the rules read in one row: rows that agree in all get the same answer. */
struct rule_key {
    uint32_t code[RULE_INPUTS + WHO_COLUMNS];
};

static uint32_t code_at(const struct block *b, enum ledger_column c, size_t row)
{
    return block_is_null(b, c, row) ? UINT32_MAX : b->columns[c].codes[row];
}

static struct rule_key rule_key_of(const struct block *b, size_t row)
{
    struct rule_key key;

    for (size_t i = 0; i < RULE_INPUTS; i++)
        key.code[i] = code_at(b, input_columns[i].column, row);
    for (size_t i = 0; i < WHO_COLUMNS; i++)
        key.code[RULE_INPUTS + i] = code_at(b, who_columns[i].column, row);
    return key;
}

static struct exchange_who who_of(const struct scan *s, size_t row)
{
    const struct block *b = &s->block;
    struct attribution_input in = { 0 };
    struct exchange_who who = { 0 };

    for (size_t i = 0; i < RULE_INPUTS; i++)
        *str_at(&in, input_columns[i].offset) = block_str(b, input_columns[i].column, row);
    for (size_t i = 0; i < WHO_COLUMNS; i++)
        *str_at(&in.given, who_columns[i].offset) = block_str(b, who_columns[i].column, row);
    attribution_apply(s->options.attribution, &in, &who);
    return who;
}

/* Replaces the who columns by what the rules say of each row. */
static void apply_rules(struct scan *s)
{
    CLEANUP(map_release) struct map first_rows = { 0 };
    struct block *b = &s->block;

    for (size_t i = 0; i < WHO_COLUMNS; i++)
        vec_clear(&s->derived[i].codes);
    for (size_t row = 0; row < b->rows; row++) {
        struct rule_key key = rule_key_of(b, row);
        bool is_new;
        struct map_entry *seen =
            map_put(&first_rows, (struct str){ (const char *)&key, sizeof(key) }, &is_new);
        struct exchange_who who = { 0 };
        if (is_new) {
            seen->value = row;
            who = who_of(s, row);
        }
        for (size_t i = 0; i < WHO_COLUMNS; i++) {
            struct derived *d = &s->derived[i];
            uint32_t code = is_new ? intern(d, *str_at(&who, who_columns[i].offset))
                                   : d->codes.ptr[seen->value];
            vec_push(&d->codes, code);
        }
    }
    for (size_t i = 0; i < WHO_COLUMNS; i++)
        b->columns[who_columns[i].column] =
            (struct block_column){ .codes = s->derived[i].codes.ptr,
                                   .dict = s->derived[i].dict.ptr,
                                   .dict_len = s->derived[i].dict.len };
}

/* 1 = a ledger is open with a group to read, 0 = none left. */
static int advance(struct scan *s, struct err *err)
{
    while (!s->file || s->next_group >= parquet_group_count(s->file)) {
        parquet_close(TAKE(s->file));
        if (s->next_ledger >= s->ledgers.len)
            return 0;
        const struct archive_ledger *l = &s->ledgers.ptr[s->next_ledger++];
        s->block.path = l->path;
        s->next_group = 0;
        if (ledger_open(l->path, &s->file, s->file_columns, err) < 0)
            return err_wrap(err, "ledger '%s'", l->path);
    }
    return 1;
}

int scan_next(struct scan *s, const struct block **ret, struct err *err)
{
    int r = advance(s, err);

    if (r <= 0)
        return r;
    size_t group = s->next_group++;
    s->block.rows = (size_t)parquet_group_rows(s->file, group);
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++)
        if (s->decode.want[c] && decode_column(s, group, (enum ledger_column)c, err) < 0)
            return -1;
    if (s->options.attribution)
        apply_rules(s);
    *ret = &s->block;
    return 1;
}
