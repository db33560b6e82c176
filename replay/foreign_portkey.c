/* Portkey: a JSON config of nested targets, each with its strategy.
 *
 * As the open-source gateway does it (src/handlers of May 2026): a target repeats first, then its
 * strategy moves on; `request_timeout` runs until the head of an answer only and answers 408; a
 * connection refused counts as 500, one that times out as 503.
 */
#include "config.h"

#include "base/buf.h"
#include "base/timestamp.h"
#include "replay/foreign_read.h"

#define MS               INT64_C(1000)
#define DEPTH_MAX        16
#define LONGEST_AFTER_US (60 * US_PER_SECOND)

/* One target's keys, at the top and, with this in front, however deep they nest. */
static const struct foreign_key target_keys[] = {
    {"strategy.mode",                  LINT_EXACT,        ""                                               },
    { "strategy.on_status_codes.**",   LINT_EXACT,        ""                                               },
    { "strategy.conditions.**",        LINT_APPROXIMATED,
     "each condition may hold: the worst of their targets is taken"                                        },
    { "strategy.default",              LINT_APPROXIMATED, "as one of the conditions' targets"              },
    { "strategy.cb_config.**",         LINT_UNSUPPORTED,  "the open-source gateway does not look at it"    },
    { "strategy.sticky.**",            LINT_UNSUPPORTED,  "does not change the worst case"                 },
    { "weight",                        LINT_EXACT,        ""                                               },
    { "retry.attempts",                LINT_EXACT,        ""                                               },
    { "retry.on_status_codes.**",      LINT_EXACT,        ""                                               },
    { "retry.use_retry_after_header",  LINT_APPROXIMATED,
     "as its container image does; npm's 1.15.2 lacks a patch, waits as ever and ends as 500"              },
    { "retry.use_retry_after_headers", LINT_UNSUPPORTED,
     "the hosted gateway's spelling: the open-source one ignores it"                                       },
    { "request_timeout",               LINT_EXACT,        ""                                               },
    { "override_params.model",         LINT_EXACT,        ""                                               },
    { "override_params.**",            LINT_ASIDE,        ""                                               },
    { "provider",                      LINT_EXACT,        ""                                               },
    { "virtual_key",                   LINT_EXACT,        ""                                               },
    { "name",                          LINT_EXACT,        ""                                               },
    { "id",                            LINT_ASIDE,        ""                                               },
    { "api_key",                       LINT_ASIDE,        ""                                               },
    { "custom_host",                   LINT_ASIDE,        ""                                               },
    { "cache.**",                      LINT_UNSUPPORTED,  "an answer from the cache is no attempt"         },
    { "forward_headers.**",            LINT_ASIDE,        ""                                               },
    { "metadata.**",                   LINT_ASIDE,        ""                                               },
    { "strict_open_ai_compliance",     LINT_ASIDE,        ""                                               },
    { "before_request_hooks.**",       LINT_UNSUPPORTED,
     "guardrails can deny a call or make it fall back"                                                     },
    { "after_request_hooks.**",        LINT_UNSUPPORTED,
     "guardrails can deny a call or make it fall back"                                                     },
    { "input_guardrails.**",           LINT_UNSUPPORTED,  "guardrails can deny a call or make it fall back"},
    { "output_guardrails.**",          LINT_UNSUPPORTED,  "guardrails can deny a call or make it fall back"},
    { "default_input_guardrails.**",   LINT_UNSUPPORTED,
     "guardrails can deny a call or make it fall back"                                                     },
    { "default_output_guardrails.**",  LINT_UNSUPPORTED,
     "guardrails can deny a call or make it fall back"                                                     },
    { "resource_name",                 LINT_ASIDE,        ""                                               },
    { "deployment_id",                 LINT_ASIDE,        ""                                               },
    { "api_version",                   LINT_ASIDE,        ""                                               },
    { "targets",                       LINT_EXACT,        ""                                               },
    { NULL,                            LINT_ASIDE,        NULL                                             },
};

/* What a target has of its own or from those around it. */
struct around {
    struct plan_retry retry;
    struct plan_value timeout;
    struct str host, model;        /* custom_host and override_params.model */
    const struct yaml_node *codes; /* of the strategy it stands in, NULL = none */
    bool falls_back;               /* something else is tried when it fails */
    unsigned depth;
};

static void default_retry(struct plan_retry *r)
{
    static const int statuses[] = { 429, 500, 502, 503, 504 };

    r->backoff.base = plan_default(US_PER_SECOND);
    r->backoff.factor_percent = 200;
    r->on = (struct plan_when){ .kinds = PLAN_KIND(CONNECT), .set = true };
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        plan_when_add_status(&r->on, statuses[i]);
    r->retry_after = (struct plan_retry_after){
        .honoured = plan_default(0),
        .longest_us = LONGEST_AFTER_US - 1,
        .sum_us = LONGEST_AFTER_US,
        .gives_up = true,
        .only_429 = true,
    };
}

static int read_retry(struct foreign *f, const struct yaml_node *n, struct plan_retry *ret)
{
    const struct yaml_node *codes = yaml_get(n, "on_status_codes");
    const struct yaml_node *plural = yaml_get(n, "use_retry_after_headers");
    const struct yaml_node *singular = yaml_get(n, "use_retry_after_header");
    bool honoured = false;

    *ret = (struct plan_retry){ 0 };
    default_retry(ret);
    if (foreign_count(f, yaml_get(n, "attempts"), PLAN_ATTEMPTS_MAX, &ret->count) < 0)
        return -1;
    if (ret->count.n > 5)
        lint_find(f->lint, LINT_ATTEMPTS_OVER_5, ret->count.at, "%lld repetitions of each target",
                  (long long)ret->count.n);
    if (codes) {
        ret->on = (struct plan_when){ .kinds = PLAN_KIND(CONNECT) };
        if (foreign_statuses(f, codes, &ret->on) < 0)
            return -1;
    }
    if (plural)
        lint_find(f->lint, LINT_RETRY_AFTER_SPELLING, foreign_key_at(f, plural),
                  "use_retry_after_headers is not read by the open-source gateway");
    if (!singular)
        return 0;
    if (yaml_bool(f->y, singular, &honoured, f->err) < 0)
        return -1;
    ret->retry_after.honoured = (struct plan_value){
        .n = honoured,
        .set = true,
        .at = foreign_key_at(f, singular),
    };
    return 0;
}

static struct plan_node *read_target(struct foreign *f, const struct yaml_node *n, struct str path,
                                     const struct around *outer);

/* The failures that make a fallback go on to the next target. */
static int read_when(struct foreign *f, const struct yaml_node *codes, struct plan_when *ret)
{
    *ret = (struct plan_when){ .set = true };
    if (codes)
        return foreign_statuses(f, codes, ret);
    ret->kinds = PLAN_KINDS_EARLY & ~PLAN_KIND(FIRST_TOKEN);
    return 0;
}

static int add_targets(struct foreign *f, struct plan_node *to, const struct yaml_node *targets,
                       struct str path, const struct around *a)
{
    CLEANUP(buf_release) struct buf name = { 0 };
    size_t index = 0;

    for (const struct yaml_node *i = targets->items; i; i = i->next, index++) {
        struct around inner = *a;
        buf_clear(&name);
        buf_addf(&name, "%.*s%stargets[%zu]", STR_ARG(path), path.len ? "." : "", index);
        if (to->kind == PLAN_FALLBACK && i->next)
            inner.falls_back = true;
        struct plan_node *child = read_target(f, i, buf_str(&name), &inner);
        if (!child || (to->kind == PLAN_FALLBACK && read_when(f, a->codes, &child->when) < 0))
            return -1;
        if (to->kind == PLAN_PICK && child->kind == PLAN_TARGET && !a->falls_back)
            lint_find(f->lint, LINT_PICK_NO_FALLBACK, child->at,
                      "a call that is dealt to '%.*s' fails with it", STR_ARG(child->name));
        plan_node_add(to, child);
    }
    return 0;
}

static void check_weights(struct foreign *f, const struct plan_node *n,
                          const struct yaml_node *targets)
{
    for (const struct plan_node *i = n->items; i; i = i->next)
        if (!i->weight.set || i->weight.n > 0)
            return;
    lint_find(f->lint, LINT_ZERO_WEIGHTS, foreign_key_at(f, targets), "all weights are 0");
}

static bool is_named(const struct yaml_node *targets, struct str name)
{
    for (const struct yaml_node *i = targets->items; i; i = i->next)
        if (str_eq(foreign_text(i, "name"), name))
            return true;
    return false;
}

static void check_conditions(struct foreign *f, const struct yaml_node *strategy,
                             const struct yaml_node *targets)
{
    const struct yaml_node *conditions = yaml_get(strategy, "conditions");
    const struct yaml_node *other = yaml_get(strategy, "default");

    if (!other)
        lint_find(f->lint, LINT_NO_DEFAULT, foreign_key_at(f, strategy),
                  "a call that fits no condition has no target");
    else if (!is_named(targets, other->text))
        lint_find(f->lint, LINT_FALLBACK_UNKNOWN, foreign_at(f, other), "no target is named '%.*s'",
                  STR_ARG(other->text));
    for (const struct yaml_node *i = conditions ? conditions->items : NULL; i; i = i->next) {
        const struct yaml_node *then = yaml_get(i, "then");
        if (then && then->kind == YAML_SCALAR && !is_named(targets, then->text))
            lint_find(f->lint, LINT_FALLBACK_UNKNOWN, foreign_at(f, then),
                      "no target is named '%.*s'", STR_ARG(then->text));
    }
}

/* Whether n or anything below it has a request_timeout. */
static bool has_timeout(const struct yaml_node *n)
{
    const struct yaml_node *targets = yaml_get(n, "targets");

    if (yaml_get(n, "request_timeout"))
        return true;
    for (const struct yaml_node *i = targets ? targets->items : NULL; i; i = i->next)
        if (has_timeout(i))
            return true;
    return false;
}

static int check_codes(struct foreign *f, const struct yaml_node *n, const struct around *a)
{
    struct plan_when when = { 0 };

    if (!a->codes)
        return 0;
    if (foreign_statuses(f, a->codes, &when) < 0)
        return -1;
    if (!a->codes->len)
        lint_find(f->lint, LINT_CODES_EMPTY, foreign_key_at(f, a->codes),
                  "on_status_codes is empty: nothing ever falls back");
    else if (!plan_when_has(&when, PLAN_FAILED_STATUS, 408) && (a->timeout.set || has_timeout(n)))
        lint_find(f->lint, LINT_408_MISSING, foreign_key_at(f, a->codes),
                  "a request_timeout answers 408, which on_status_codes does not list");
    return 0;
}

static int kind_of_mode(struct foreign *f, const struct yaml_node *strategy, enum plan_kind *ret)
{
    static const struct {
        const char *mode;
        enum plan_kind kind;
    } modes[] = {
        {"fallback",     PLAN_FALLBACK},
        { "loadbalance", PLAN_PICK    },
        { "conditional", PLAN_PICK    },
        { "single",      PLAN_PICK    },
    };
    const struct yaml_node *mode = yaml_get(strategy, "mode");
    struct str text = STR("single");

    if (mode && yaml_str(f->y, mode, &text, f->err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (str_eq(text, str_from(modes[i].mode))) {
            *ret = modes[i].kind;
            return 0;
        }
    return yaml_err(f->y, mode, f->err,
                    "expected one of single, loadbalance, fallback, conditional, got '%.*s'",
                    STR_ARG(str_sub(text, 0, 40)));
}

/* What targets have from those around them unless they say it themselves. */
static int inherit(struct foreign *f, const struct yaml_node *n, struct around *a)
{
    const struct yaml_node *retry, *params;
    struct str host = foreign_text(n, "custom_host");

    if (foreign_get(f, n, "retry", YAML_MAP, &retry) < 0 ||
        foreign_get(f, n, "override_params", YAML_MAP, &params) < 0 ||
        foreign_time(f, yaml_get(n, "request_timeout"), MS, &a->timeout) < 0 ||
        (retry && read_retry(f, retry, &a->retry) < 0))
        return -1;
    struct str model = params ? foreign_text(params, "model") : STR("");
    a->host = host.len ? host : a->host;
    a->model = model.len ? model : a->model;
    return 0;
}

/* A node with targets below it. */
static struct plan_node *read_group(struct foreign *f, const struct yaml_node *n,
                                    const struct yaml_node *targets, struct str path,
                                    struct around *a)
{
    const struct yaml_node *strategy, *breaker = NULL;
    enum plan_kind kind = PLAN_PICK;

    if (foreign_get(f, n, "strategy", YAML_MAP, &strategy) < 0 ||
        kind_of_mode(f, strategy, &kind) < 0)
        return NULL;
    if (!targets->len) {
        yaml_err(f->y, targets, f->err, "targets is empty: a call has nowhere to go");
        return NULL;
    }
    struct str mode = foreign_text(strategy, "mode");
    a->codes = yaml_get(strategy, "on_status_codes");
    breaker = yaml_get(strategy, "cb_config");
    if (breaker)
        lint_find(f->lint, LINT_CB_CONFIG, foreign_key_at(f, breaker),
                  "the open-source gateway does nothing with cb_config");
    struct plan_node *to = foreign_node(f, kind, path.len ? path : STR("config"), n);
    if (!to || check_codes(f, n, a) < 0 || add_targets(f, to, targets, path, a) < 0)
        return NULL;
    if (str_eq(mode, STR("loadbalance")))
        check_weights(f, to, targets);
    if (str_eq(mode, STR("conditional")))
        check_conditions(f, strategy, targets);
    return to;
}

/* Whom a target asks.  Where a drill puts a stand-in in its place (drill_config.h), that one's
 * name: two targets of one provider at two hosts are two upstreams. */
static struct str upstream_of(const struct yaml_node *n, struct str host)
{
    struct str provider = foreign_text(n, "provider");
    ptrdiff_t end = str_find_char(host, '}', 0);

    if (str_starts_with(host, STR("{url:")) && end > 0)
        return str_sub(host, 5, (size_t)end - 5);
    return provider.len ? provider : foreign_text(n, "virtual_key");
}

static struct plan_node *read_leaf(struct foreign *f, const struct yaml_node *n, struct str path,
                                   const struct around *a)
{
    struct str upstream = upstream_of(n, a->host), model = a->model;
    struct str shown = upstream.len && model.len ? STR(" ") : STR("");
    struct plan_node *t = foreign_nodef(f, PLAN_TARGET, n, "%.*s%s%.*s%.*s%.*s%s", STR_ARG(path),
                                        path.len ? " (" : "", STR_ARG(upstream), STR_ARG(shown),
                                        STR_ARG(model), path.len ? ")" : "");
    if (!t)
        return NULL;
    t->upstream = arena_str(&f->plan->arena, upstream);
    t->model = arena_str(&f->plan->arena, model);
    t->retry = a->retry;
    t->attempt.of[PLAN_TIMER_HEAD] = a->timeout;
    return t;
}

static struct plan_node *read_target(struct foreign *f, const struct yaml_node *n, struct str path,
                                     const struct around *outer)
{
    struct around a = *outer;
    const struct yaml_node *targets;

    if (n->kind != YAML_MAP) {
        yaml_err(f->y, n, f->err, "expected a target ({...})");
        return NULL;
    }
    if (++a.depth > DEPTH_MAX) {
        yaml_err(f->y, n, f->err, "targets within targets deeper than %d", DEPTH_MAX);
        return NULL;
    }
    if (foreign_get(f, n, "targets", YAML_LIST, &targets) < 0 || inherit(f, n, &a) < 0)
        return NULL;
    a.codes = NULL;
    struct plan_node *to =
        targets ? read_group(f, n, targets, path, &a) : read_leaf(f, n, path, &a);
    if (!to || foreign_weight(f, yaml_get(n, "weight"), &to->weight) < 0)
        return NULL;
    return to;
}

/* Targets have the same keys at every depth, which a path of a row cannot say. */
static void account(struct foreign *f, const struct yaml_node *n)
{
    const struct yaml_node *targets = yaml_get(n, "targets");

    foreign_account(f, n, target_keys);
    for (const struct yaml_node *i = targets ? targets->items : NULL; i; i = i->next)
        account(f, i);
}

int foreign_read_portkey(struct foreign *f)
{
    const struct yaml_node *root = yaml_root(f->y);
    struct around a = { 0 };

    default_retry(&a.retry);
    f->plan->refused_status = 500;
    f->plan->connect_late_status = 503;
    f->plan->late_status = 408;
    struct plan_route *r = plan_add_route(f->plan, STR("config"), foreign_at(f, root));
    r->root = read_target(f, root, STR(""), &a);
    if (!r->root)
        return -1;
    account(f, root);
    return 0;
}
