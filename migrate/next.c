#include "config.h"

#include "migrate/next.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "migrate/programme_lint_print.h"

static const struct {
    const char *word, *what;
} missing[] = {
#define X(constant, word, what) { word, what },
    NEXT_MISSING(X)
#undef X
};

/* Gates that nobody wrote are the built-in one: nobody has thought about them. */
static bool has_criteria(const struct programme_app *a)
{
    for (size_t i = 0; i < a->gate_count; i++)
        if (a->gates[i].at.line)
            return true;
    return false;
}

static uint32_t missing_of(const struct programme_app *a)
{
    uint32_t bits = 0;

    bits |= programme_date(a) ? 0 : 1u << NEXT_DATE;
    bits |= a->owner.len ? 0 : 1u << NEXT_OWNER;
    bits |= a->deputy.len ? 0 : 1u << NEXT_DEPUTY;
    bits |= a->risk != PROGRAMME_RISK_UNKNOWN ? 0 : 1u << NEXT_RISK;
    bits |= has_criteria(a) ? 0 : 1u << NEXT_ROLLBACK;
    bits |= a->risk != PROGRAMME_RISK_HIGH || a->approvals.len ? 0 : 1u << NEXT_APPROVAL;
    return bits;
}

static int by_date(const void *a, const void *b)
{
    const struct programme_app *x = ((const struct next_app *)a)->app->app;
    const struct programme_app *y = ((const struct next_app *)b)->app->app;
    int64_t left = programme_date(x), right = programme_date(y);

    if (left != right)
        return !right || (left && left < right) ? -1 : 1;
    return str_cmp(x->name, y->name);
}

void next_find(const struct portfolio *p, size_t most, struct next *ret)
{
    for (size_t i = 0; i < p->programme->app_count; i++) {
        const struct portfolio_app *a = &p->apps[i];
        if (a->app->retired || a->share > 0)
            continue;
        vec_push(&ret->list, (struct next_app){ a, missing_of(a->app) });
    }
    if (ret->list.len)
        qsort(ret->list.ptr, ret->list.len, sizeof(*ret->list.ptr), by_date);
    if (ret->list.len > most)
        ret->list.len = most;
}

void next_release(struct next *n)
{
    vec_release(&n->list);
}

bool next_is_complete(const struct next *n)
{
    for (size_t i = 0; i < n->list.len; i++)
        if (n->list.ptr[i].missing)
            return false;
    return true;
}

/* --- printing --- */

static void add_gate(const struct portfolio *p, const struct programme_app *a, size_t g,
                     struct buf *out)
{
    const struct programme_gate *gate = &a->gates[g];

    buf_addf(out, "%s%s: more than %g x, with a chance of %.2g of being wrong", g ? "; " : "",
             gate_metric_name(gate->metric), gate->harm_ratio,
             programme_alpha(p->programme, p->gone, a, gate));
    if (gate->cap_per_million >= 0)
        buf_addf(out, ", or more than %g %%", (double)gate->cap_per_million / 1e4);
}

static void add_back(const struct programme_app *a, struct buf *out)
{
    buf_add_text(out, "to direct");
    if (a->rollback_to > 0)
        buf_addf(out, " (a person's to %g %%)", (double)a->rollback_to / 100.0);
    buf_add_text(out, " within ");
    programme_add_duration(a->rollback_us, out);
}

static void add_missing(const struct next_app *n, struct buf *out)
{
    for (int i = 0, count = 0; i < NEXT_MISSING_COUNT; i++)
        if (n->missing >> i & 1)
            buf_addf(out, "%s%s", count++ ? ", " : "", missing[i].what);
}

static void print_app(const struct portfolio *p, const struct next_app *n, struct buf *out)
{
    const struct programme_app *a = n->app->app;
    int64_t date = programme_date(a);

    buf_addf(out, "%s: ", a->name.ptr);
    if (date)
        programme_add_time(p->programme, date, out);
    else
        buf_add_text(out, "no date");
    buf_addf(out, "%s%s, owner %s, deputy %s, %s risk", a->wave ? ", " : "",
             a->wave ? a->wave->name.ptr : "", a->owner.len ? a->owner.ptr : "-",
             a->deputy.len ? a->deputy.ptr : "-", programme_risk_name(a->risk));
    if (a->risk_score)
        buf_addf(out, " (%d)", a->risk_score);
    buf_add_text(out, "\n  stages:");
    for (size_t i = 0; i < a->stage_count; i++) {
        buf_addf(out, " %g %% (", a->stages[i].share / 100.0);
        programme_add_duration(a->stages[i].bake_us, out);
        buf_add_text(out, i + 1 < a->stage_count ? ")," : ")");
    }
    buf_add_text(out, "\n  rolled back if ");
    for (size_t g = 0; g < a->gate_count; g++)
        add_gate(p, a, g, out);
    buf_add_text(out, "\n  ");
    add_back(a, out);
    if (n->app->rollbacks)
        buf_addf(out, "; rolled back %u times so far", n->app->rollbacks);
    if (n->missing) {
        buf_add_text(out, "\n  MISSING: ");
        add_missing(n, out);
    }
    buf_add_byte(out, '\n');
}

void next_print_text(const struct portfolio *p, const struct next *n, struct buf *out)
{
    size_t incomplete = 0;

    for (size_t i = 0; i < n->list.len; i++) {
        print_app(p, &n->list.ptr[i], out);
        incomplete += n->list.ptr[i].missing != 0;
    }
    if (!n->list.len)
        buf_add_text(out, "no application is left to begin\n");
    else if (incomplete)
        buf_addf(out, "%zu of the next %zu are not ready to be planned on\n", incomplete,
                 n->list.len);
}

static void json_app(const struct portfolio *p, const struct next_app *n, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    const struct programme_app *a = n->app->app;

    json_add_str(out, "app", a->name);
    if (programme_date(a)) {
        programme_add_time(p->programme, programme_date(a), &text);
        json_add_str(out, "date", buf_str(&text));
    }
    if (a->wave)
        json_add_str(out, "wave", a->wave->name);
    json_add_str(out, "owner", a->owner);
    json_add_str(out, "deputy", a->deputy);
    json_add_str(out, "risk", str_from(programme_risk_name(a->risk)));
    json_add_int(out, "risk_score", a->risk_score);
    json_add_int(out, "rollbacks", n->app->rollbacks);
    json_add_key(out, "rollback");
    buf_add_byte(out, '[');
    for (size_t g = 0; g < a->gate_count; g++) {
        buf_clear(&text);
        add_gate(p, a, g, &text);
        /* add_gate sets all but the first apart */
        struct str one = g ? str_sub(buf_str(&text), 2, text.len) : buf_str(&text);
        if (g)
            buf_add_byte(out, ',');
        json_add_string(out, one);
    }
    buf_add_byte(out, ']');
    json_add_int(out, "rollback_within_us", a->rollback_us);
    json_add_key(out, "missing");
    buf_add_byte(out, '[');
    for (int i = 0, count = 0; i < NEXT_MISSING_COUNT; i++) {
        if (!(n->missing >> i & 1))
            continue;
        if (count++)
            buf_add_byte(out, ',');
        json_add_string(out, str_from(missing[i].word));
    }
    buf_add_byte(out, ']');
}

void next_print_json(const struct portfolio *p, const struct next *n, struct buf *out)
{
    buf_add_byte(out, '{');
    json_add_str(out, "format", STR("weir-next/1"));
    json_add_str(out, "programme", p->programme->name);
    json_add_bool(out, "complete", next_is_complete(n));
    json_add_key(out, "apps");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < n->list.len; i++) {
        buf_add_text(out, i ? ",{" : "{");
        json_app(p, &n->list.ptr[i], out);
        buf_add_byte(out, '}');
    }
    buf_add_text(out, "]}\n");
}
