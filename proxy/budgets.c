#include "config.h"

#include "proxy/budgets.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/timestamp.h"
#include "policy/admit.h"

struct budgets {
    char *path;
    struct buf saved; /* the list, as it is in the file */
};

struct budgets *budgets_new(const char *path)
{
    struct budgets *b = mem_calloc(1, sizeof(*b));

    b->path = mem_strdup(path);
    return b;
}

void budgets_free(struct budgets *b)
{
    if (!b)
        return;
    free(b->path);
    buf_release(&b->saved);
    free(b);
}

/* --- loading --- */

struct loading {
    const struct policy *policy;
    struct policy_state *state;
    int64_t now_us;
    size_t next; /* where the next one is likely: they are saved in their order */
};

/* The budget of that rule, or the count of them. */
static size_t find_budget(struct loading *l, struct str rule)
{
    size_t count = policy_budget_count(l->policy);
    struct policy_budget_state b;

    for (size_t n = 0; n < count; n++) {
        size_t i = (l->next + n) % count;
        uint32_t number = policy_budget(l->policy, l->state, i, l->now_us, &b);
        if (str_eq(policy_rule(l->policy, number)->id, rule)) {
            l->next = i + 1;
            return i;
        }
    }
    return count;
}

static int load_one(struct loading *l, const json_t *entry, struct err *err)
{
    const json_t *period = json_get(entry, "period"), *spent = json_get(entry, "spent_nusd");
    size_t index = find_budget(l, json_get_str(entry, "rule"));

    if (!json_is_integer(period) || !json_is_integer(spent) || json_integer_value(spent) < 0)
        return err_set(err, ERR_CORRUPT, "an entry lacks period or spent_nusd");
    if (index < policy_budget_count(l->policy)) /* else of a budget that is no more */
        policy_budget_set(l->policy, l->state, index, json_integer_value(period),
                          json_integer_value(spent), l->now_us);
    return 0;
}

int budgets_load(struct budgets *b, const struct policy *p, struct shared_state *s, int64_t now_us,
                 struct err *err)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    CLEANUP(json_decref) json_t *doc = NULL;
    int r = 0;

    if (!file_exists(b->path))
        return 0;
    if (file_read(b->path, BUDGETS_BYTES_MAX, &text, err) < 0)
        return -1;
    if (json_parse(buf_str(&text), &doc, err) < 0)
        return err_wrap(err, "'%s'", b->path);
    const json_t *list = json_get(doc, "budgets");
    struct loading l = { .policy = p, .state = shared_state_lock(s), .now_us = now_us };
    for (size_t i = 0; i < json_array_size(list) && r == 0; i++)
        r = load_one(&l, json_array_get(list, i), err);
    shared_state_unlock(s);
    return r < 0 ? err_wrap(err, "'%s'", b->path) : 0;
}

/* --- saving --- */

static void write_list(const struct policy *p, struct shared_state *s, int64_t now_us,
                       struct buf *out)
{
    struct policy_state *state = shared_state_lock(s);

    buf_add_byte(out, '[');
    for (size_t i = 0; i < policy_budget_count(p); i++) {
        struct policy_budget_state b;
        uint32_t rule = policy_budget(p, state, i, now_us, &b);
        if (!b.spent_nusd)
            continue;
        buf_add_text(out, out->len > 1 ? ",\n {" : "\n {");
        json_add_str(out, "rule", policy_rule(p, rule)->id);
        json_add_int(out, "period", b.period);
        json_add_int(out, "spent_nusd", b.spent_nusd);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
    shared_state_unlock(s);
}

int budgets_save(struct budgets *b, const struct policy *p, struct shared_state *s, int64_t now_us,
                 struct err *err)
{
    CLEANUP(buf_release) struct buf list = { 0 }, text = { 0 };
    char at[TIMESTAMP_TEXT_BYTES];

    write_list(p, s, now_us, &list);
    if (str_eq(buf_str(&list), buf_str(&b->saved)))
        return 0;
    timestamp_format(now_us, at);
    buf_add_byte(&text, '{');
    json_add_str(&text, "saved_at", str_from(at));
    json_add_key(&text, "budgets");
    buf_add_str(&text, buf_str(&list));
    buf_add_text(&text, "}\n");
    if (file_replace(b->path, buf_str(&text), 0600, err) < 0)
        return -1;
    buf_clear(&b->saved);
    buf_add_str(&b->saved, buf_str(&list));
    return 0;
}
