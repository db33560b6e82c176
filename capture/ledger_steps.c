/* What was tried to answer an exchange, and what the policy said, in columns. */
#include "config.h"

#include "capture/ledger_cells.h"

#define DECISIONS_SHOWN_MAX 32 /* different ones, in a cell */

/* The rule may hold what the list is held together by. */
static void add_escaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == ';' || c == ':' || c == '%' || c < ' ')
            buf_addf(out, "%%%02X", c);
        else
            buf_add_byte(out, (char)c);
    }
}

/* "observe:denied:access%3A2;enforce:limited:limits[0]"; what is said twice is there once. */
static struct str decisions_text(const struct exchange *x, struct arena *scratch)
{
    CLEANUP(buf_release) struct buf all = { 0 }, one = { 0 };
    size_t count = 0;

    for (size_t i = 0; i < x->decision_count && count < DECISIONS_SHOWN_MAX; i++) {
        const struct exchange_decision *d = &x->decisions[i];
        struct str parts[] = { d->mode, d->outcome, d->rule }, rest = buf_str(&all), seen;
        bool is_new = true;
        buf_clear(&one);
        for (size_t k = 0; k < ARRAY_LEN(parts); k++) {
            buf_add_text(&one, k ? ":" : "");
            add_escaped(&one, parts[k]);
        }
        while (is_new && str_split(&rest, ';', &seen))
            is_new = !str_eq(seen, buf_str(&one));
        if (!is_new)
            continue;
        buf_add_text(&all, count++ ? ";" : "");
        buf_add_str(&all, buf_str(&one));
    }
    return arena_str(scratch, buf_str(&all));
}

static struct str model_of(const struct exchange *x, const struct exchange_attempt *a)
{
    return a->model.len ? a->model : x->facts.model_requested;
}

static void put_count(struct parquet_cell *cell, int64_t n)
{
    *cell = (struct parquet_cell){ .i = n };
}

static void put_first(const struct exchange *x, struct parquet_cell *ret)
{
    const struct exchange_attempt *first = &x->attempts[0];
    const char *error =
        first->skipped ? LEDGER_FIRST_SKIPPED : error_class_name(first->error_class);

    ledger_put_str(ret, LEDGER_FIRST_UPSTREAM, first->upstream);
    ledger_put_str(ret, LEDGER_FIRST_MODEL, model_of(x, first));
    ledger_put_str(ret, LEDGER_FIRST_ERROR, str_from(error));
}

void ledger_put_steps(const struct exchange *x, struct arena *scratch, struct parquet_cell *ret)
{
    const struct exchange_attempt *last = exchange_answered_by(x), *first = x->attempts;
    int32_t tried = 0, cut = 0;
    bool is_known = x->attempt_count || x->decision_count;

    for (enum ledger_column c = LEDGER_ATTEMPTS; c <= LEDGER_DECISIONS; c++)
        ret[c] = (struct parquet_cell){ .is_null = true };
    if (x->decision_count)
        ledger_put_str(ret, LEDGER_DECISIONS, decisions_text(x, scratch));
    for (size_t i = 0; i < x->attempt_count; i++) {
        const struct exchange_attempt *a = &x->attempts[i];
        tried += !a->skipped;
        cut += a != last && a->status / 100 == 2 && a->bytes;
    }
    if (is_known)
        put_count(&ret[LEDGER_ATTEMPTS], tried);
    if (x->attempt_count)
        put_first(x, ret);
    if (!last)
        return;
    put_count(&ret[LEDGER_FALLBACK], !str_eq(last->upstream, first->upstream) ||
                                         !str_eq(model_of(x, last), model_of(x, first)));
    put_count(&ret[LEDGER_ADDED_US],
              last->start_us > first->start_us ? last->start_us - first->start_us : 0);
    put_count(&ret[LEDGER_CUT_ATTEMPTS], cut);
    ledger_put_str(ret, LEDGER_UPSTREAM, last->upstream);
}
