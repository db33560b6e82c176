#include "config.h"

#include "analyze/block_who.h"

#define RULE_INPUTS 10

/* Names beyond that many, and many times a block's rows, are forgotten: whoever looks at a block
 * goes through its dictionaries. */
#define NAMES_KEPT         4096u
#define NAMES_KEPT_PER_ROW 4u

const enum ledger_column block_who_columns[BLOCK_WHO_COLUMNS] = {
    LEDGER_APP,         LEDGER_TEAM,     LEDGER_BUSINESS_UNIT,
    LEDGER_ENVIRONMENT, LEDGER_END_USER, LEDGER_PURPOSE,
};

/* Where they stand in struct exchange_who. */
static const size_t who_offsets[BLOCK_WHO_COLUMNS] = {
    offsetof(struct exchange_who, app),           offsetof(struct exchange_who, team),
    offsetof(struct exchange_who, business_unit), offsetof(struct exchange_who, environment),
    offsetof(struct exchange_who, end_user),      offsetof(struct exchange_who, purpose),
};

/* The columns rules read, where they stand in struct attribution_input, and the conditions that
 * look there. */
static const struct input_column {
    enum ledger_column column;
    size_t offset;
    uint32_t conditions;
} input_columns[RULE_INPUTS] = {
    {LEDGER_HOST,            offsetof(struct attribution_input, host),           1u << ATTRIBUTION_HOST       },
    { LEDGER_PATH,           offsetof(struct attribution_input, path),           1u << ATTRIBUTION_PATH_PREFIX},
    { LEDGER_KEY_ID,         offsetof(struct attribution_input, key_id),         1u << ATTRIBUTION_KEY_ID     },
    { LEDGER_USER_AGENT,     offsetof(struct attribution_input, user_agent),
     1u << ATTRIBUTION_USER_AGENT                                                                             },
    { LEDGER_CLIENT_ADDRESS, offsetof(struct attribution_input, client_address),
     1u << ATTRIBUTION_NETWORK                                                                                },
    { LEDGER_UPSTREAM,       offsetof(struct attribution_input, upstream),       1u << ATTRIBUTION_UPSTREAM   },
    { LEDGER_PROVIDER,       offsetof(struct attribution_input, provider),       1u << ATTRIBUTION_PROVIDER   },
    { LEDGER_MODEL,          offsetof(struct attribution_input, model),          1u << ATTRIBUTION_MODEL      },
    { LEDGER_END_USER,       offsetof(struct attribution_input, end_user),       1u << ATTRIBUTION_END_USER   },
    { LEDGER_LABELS,         offsetof(struct attribution_input, labels),
     1u << ATTRIBUTION_LABEL | 1u << ATTRIBUTION_APP_HEADER                                                   },
};

static struct str *str_at(void *object, size_t offset)
{
    return (struct str *)(void *)((char *)object + offset);
}

bool block_who_makes(enum ledger_column c)
{
    for (size_t i = 0; i < BLOCK_WHO_COLUMNS; i++)
        if (block_who_columns[i] == c)
            return true;
    return false;
}

void block_who_add_columns(struct scan_columns *ret)
{
    for (size_t i = 0; i < RULE_INPUTS; i++)
        ret->want[input_columns[i].column] = true;
    for (size_t i = 0; i < BLOCK_WHO_COLUMNS; i++)
        ret->want[block_who_columns[i]] = true;
}

void block_who_add_inputs(const struct attribution *a, struct scan_columns *ret)
{
    uint32_t conditions = attribution_conditions(a);

    for (size_t i = 0; i < RULE_INPUTS; i++)
        ret->want[input_columns[i].column] |= (input_columns[i].conditions & conditions) != 0;
}

static uint32_t intern(struct block_who_column *d, struct str value)
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

static void forget(struct block_who_column *d, size_t rows)
{
    if (d->dict.len <= NAMES_KEPT || d->dict.len / NAMES_KEPT_PER_ROW <= rows)
        return;
    map_release(&d->values);
    vec_clear(&d->dict);
}

static struct exchange_who who_of(const struct block_who_rules *rules, const struct block *b,
                                  size_t row)
{
    struct attribution_input in = { 0 };
    struct exchange_who who = { 0 };

    for (size_t i = 0; i < RULE_INPUTS; i++)
        *str_at(&in, input_columns[i].offset) = block_str(b, input_columns[i].column, row);
    for (size_t i = 0; i < BLOCK_WHO_COLUMNS; i++)
        *str_at(&in.given, who_offsets[i]) = block_str(b, block_who_columns[i], row);
    if (rules->apply)
        rules->apply(rules->ctx, &in, &who);
    else
        attribution_apply(rules->attribution, &in, &who);
    return who;
}

static void split(struct block_who *w, const struct block *b, enum ledger_column c)
{
    const struct block_column *col = &b->columns[c];

    if (!col->absent)
        composite_split(&w->seen, col->codes, col->is_null, col->dict_len);
}

/* Rows that agree in all that rules read get the same answer. */
void block_who_apply(struct block_who *w, const struct block_who_rules *rules, struct block *b)
{
    VEC(uint32_t) answers[BLOCK_WHO_COLUMNS] = { 0 }; /* by combination */

    for (size_t i = 0; i < BLOCK_WHO_COLUMNS; i++)
        forget(&w->columns[i], b->rows);
    composite_start(&w->seen, b->rows);
    for (size_t i = 0; i < RULE_INPUTS; i++)
        split(w, b, input_columns[i].column);
    for (size_t i = 0; i < BLOCK_WHO_COLUMNS; i++)
        split(w, b, block_who_columns[i]);
    for (size_t id = 0; id < w->seen.count; id++) {
        struct exchange_who who = who_of(rules, b, w->seen.first_row[id]);
        for (size_t i = 0; i < BLOCK_WHO_COLUMNS; i++)
            vec_push(&answers[i], intern(&w->columns[i], *str_at(&who, who_offsets[i])));
    }
    for (size_t i = 0; i < BLOCK_WHO_COLUMNS; i++) {
        struct block_who_column *d = &w->columns[i];
        vec_clear(&d->codes);
        for (size_t row = 0; row < b->rows; row++)
            vec_push(&d->codes, answers[i].ptr[w->seen.ids[row]]);
        vec_release(&answers[i]);
        b->columns[block_who_columns[i]] = (struct block_column){ .codes = d->codes.ptr,
                                                                  .dict = d->dict.ptr,
                                                                  .dict_len = d->dict.len };
    }
}

void block_who_release(struct block_who *w)
{
    for (size_t i = 0; i < BLOCK_WHO_COLUMNS; i++) {
        map_release(&w->columns[i].values);
        vec_release(&w->columns[i].dict);
        vec_release(&w->columns[i].codes);
    }
    composite_release(&w->seen);
}
