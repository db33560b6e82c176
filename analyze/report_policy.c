/* report_policy - what rules said of the traffic, and whom providers turned away. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>

#include "analyze/report_fold.h"
#include "base/digest.h"
#include "base/figure.h"

#define TEAMS_SHOWN 3

static const struct column_def columns[] = {
    {"rule",             "rule",     false},
    { "mode",            "mode",     false},
    { "outcome",         "said",     false},
    { "requests",        "requests", true },
    { "before_requests", "before",   true },
    { "cost_usd",        "USD",      true },
    { "teams",           "teams",    false},
};

struct team {
    struct str name;
    int64_t requests;
};

/* "observe:denied:access[0]", over all requests of which it was said. */
struct said {
    struct str text;
    int64_t now, before;
    i128 cost_pusd;
    VEC(struct team) teams;
};

struct sayings {
    VEC(struct said) list;
    struct map places;
};

static void sayings_release(struct sayings *s)
{
    for (size_t i = 0; i < s->list.len; i++)
        vec_release(&s->list.ptr[i].teams);
    vec_release(&s->list);
    map_release(&s->places);
}
DEFINE_CLEANUP_VALUE(struct sayings, sayings_release)

static struct said *said_of(struct sayings *s, struct str text)
{
    bool is_new;
    struct map_entry *e = map_put(&s->places, text, &is_new);

    if (is_new) {
        e->value = s->list.len;
        vec_push(&s->list, ((struct said){ .text = text }));
    }
    return &s->list.ptr[e->value];
}

static void add_up(const struct engine_result *r, bool is_now, struct sayings *ret)
{
    for (size_t i = 0; i < r->rows.len; i++) {
        const struct engine_row *row = &r->rows.ptr[i];
        struct str rest = dimension_value(r->dimensions[0], row->codes[0]), text;
        while (str_split(&rest, ';', &text)) {
            if (!text.len)
                continue;
            struct said *said = said_of(ret, text);
            *(is_now ? &said->now : &said->before) += row->sums.requests;
            if (!is_now)
                continue;
            said->cost_pusd += engine_cost(&row->sums);
            vec_push(&said->teams, ((struct team){ dimension_value(r->dimensions[1], row->codes[1]),
                                                   row->sums.requests }));
        }
    }
}

static int compare_said(const void *a, const void *b)
{
    const struct said *x = a, *y = b;

    if (x->now != y->now)
        return x->now < y->now ? 1 : -1;
    return str_cmp(x->text, y->text);
}

static int compare_names(const void *a, const void *b)
{
    const struct team *x = a, *y = b;

    return str_cmp(x->name, y->name);
}

static int compare_teams(const void *a, const void *b)
{
    const struct team *x = a, *y = b;

    if (x->requests != y->requests)
        return x->requests < y->requests ? 1 : -1;
    return str_cmp(x->name, y->name);
}

/* A team comes once for each text that has the saying in it. */
static size_t merge_teams(struct team *teams, size_t count)
{
    size_t kept = 0;

    qsort(teams, count, sizeof(*teams), compare_names);
    for (size_t i = 0; i < count; i++)
        if (kept && str_eq(teams[kept - 1].name, teams[i].name))
            teams[kept - 1].requests += teams[i].requests;
        else
            teams[kept++] = teams[i];
    qsort(teams, kept, sizeof(*teams), compare_teams);
    return kept;
}

/* "cx 1,204, data 17, 2 more" */
static void add_teams(struct said *said, struct document *d)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    size_t count = said->teams.len ? merge_teams(said->teams.ptr, said->teams.len) : 0;
    char requests[FIGURE_BYTES];

    for (size_t i = 0; i < count && i < TEAMS_SHOWN; i++)
        buf_addf(&text, "%s%.*s %s", i ? ", " : "", STR_ARG(fold_name(said->teams.ptr[i].name)),
                 figure_count(said->teams.ptr[i].requests, requests).ptr);
    if (count > TEAMS_SHOWN)
        buf_addf(&text, ", %zu more", count - TEAMS_SHOWN);
    document_text(d, buf_str(&text));
}

/* %3A is a colon again: weir-ledger(5). */
static void add_part(struct str part, struct document *d)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    for (size_t i = 0; i < part.len; i++) {
        uint8_t byte;
        if (part.ptr[i] == '%' && hex_decode(str_sub(part, i + 1, 2), &byte, 1) == 0) {
            buf_add_byte(&text, (char)byte);
            i += 2;
        } else {
            buf_add_byte(&text, part.ptr[i]);
        }
    }
    document_text(d, buf_str(&text));
}

static void add_row(struct said *said, struct document *d)
{
    struct str rest = said->text, mode = { 0 }, outcome = { 0 };

    str_split(&rest, ':', &mode);
    str_split(&rest, ':', &outcome);
    add_part(rest, d);
    add_part(mode, d);
    add_part(outcome, d);
    document_number(d, CELL_COUNT, said->now);
    document_number(d, CELL_COUNT, said->before);
    document_number(d, CELL_USD, said->cost_pusd);
    add_teams(said, d);
}

/* Whom providers turned away. */
static void add_access(const struct report_input *in, struct document *d)
{
    const struct engine_result *r = &in->now->parts[REPORT_ERRORS].result;
    int64_t refused = 0;

    for (size_t i = 0; i < r->rows.len; i++) {
        struct str status = dimension_value(r->dimensions[1], r->rows.ptr[i].codes[1]);
        if (str_eq(status, STR("401")) || str_eq(status, STR("403")))
            refused += r->rows.ptr[i].sums.requests;
    }
    if (refused)
        document_note(d, "Access: %" PRId64 " requests were refused with status 401 or 403.",
                      refused);
    else
        document_note(d, "Access: no request was refused with status 401 or 403.");
}

void report_add_policy(const struct report_input *in, struct document *d)
{
    CLEANUP(sayings_release) struct sayings all = { 0 };

    document_section(d, "policy", "Access and policy");
    document_columns(d, columns, ARRAY_LEN(columns));
    add_up(&in->now->parts[REPORT_POLICY].result, true, &all);
    add_up(&in->before->parts[REPORT_POLICY].result, false, &all);
    if (all.list.len)
        qsort(all.list.ptr, all.list.len, sizeof(*all.list.ptr), compare_said);
    for (size_t i = 0; i < all.list.len && i < in->top; i++)
        add_row(&all.list.ptr[i], d);
    if (all.list.len > in->top)
        document_note(d, "And %zu more that said it of fewer requests.", all.list.len - in->top);
    document_note(d, "%s",
                  all.list.len ? "In the modes observe and warn nothing was withheld. A request of "
                                 "which several rules spoke is in each row, and so is its cost."
                               : "Policy: no decisions of a policy are recorded.");
    add_access(in, d);
}
