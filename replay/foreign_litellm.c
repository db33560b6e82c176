/* LiteLLM: a YAML file of deployments in groups, with fallbacks from group to group.
 *
 * As router.py of 2026 does it: a group repeats, each attempt at any of its deployments; then the
 * groups of its fallback list are entered in order, each with its own repetitions and its own
 * fallbacks, down to max_fallbacks.  Settings of router_settings beat those of litellm_settings.
 */
#include "config.h"

#include <stdio.h>

#include "base/timestamp.h"
#include "base/vec.h"
#include "replay/foreign_read.h"

#define DEFAULT_RETRIES   2    /* openai.DEFAULT_MAX_RETRIES */
#define DEFAULT_TIMEOUT_S 6000 /* the router's, whatever the documentation says */
#define DEFAULT_FALLBACKS 5    /* ROUTER_MAX_FALLBACKS */
#define DEFAULT_COOLDOWN  5    /* seconds */
#define DEFAULT_FAILS     3
#define FALLBACKS_MAX     20 /* that may be asked for: they multiply */
#define DEPLOYMENTS_MAX   10000

#define RELIABILITY(section)                                                                       \
    { section ".routing_strategy", LINT_APPROXIMATED,                                              \
      "every attempt may get any deployment of the group" },                                       \
        { section ".num_retries", LINT_EXACT, "" }, { section ".retry_after", LINT_EXACT, "" },    \
        { section ".timeout", LINT_EXACT, "" }, { section ".request_timeout", LINT_EXACT, "" },    \
        { section ".stream_timeout", LINT_EXACT, "" },                                             \
        { section ".fallbacks.**", LINT_EXACT, "" },                                               \
        { section ".default_fallbacks.**", LINT_EXACT, "" },                                       \
        { section ".context_window_fallbacks.**", LINT_EXACT, "" },                                \
        { section ".content_policy_fallbacks.**", LINT_EXACT, "" },                                \
        { section ".max_fallbacks", LINT_EXACT, "" },                                              \
        { section ".allowed_fails", LINT_APPROXIMATED, "of no weight for the first call" },        \
        { section ".allowed_fails_policy.**", LINT_APPROXIMATED,                                   \
          "of no weight for the first call" },                                                     \
        { section ".cooldown_time", LINT_APPROXIMATED, "of no weight for the first call" },        \
        { section ".disable_cooldowns", LINT_APPROXIMATED, "of no weight for the first call" },    \
        { section ".retry_policy.**", LINT_APPROXIMATED,                                           \
          "0 is exact; the largest of the others holds for all" },                                 \
        { section ".model_group_retry_policy.**", LINT_UNSUPPORTED,                                \
          "num_retries is taken for every group" },                                                \
        { section ".enable_pre_call_checks", LINT_UNSUPPORTED,                                     \
          "what is passed over for size or region is not modelled" },                              \
        { section ".model_group_alias.**", LINT_EXACT, "" },                                       \
        { section ".enable_tag_filtering", LINT_UNSUPPORTED, "tags are not modelled" },            \
    {                                                                                              \
        section ".set_verbose", LINT_ASIDE, ""                                                     \
    }

/* clang-format off: one a line */
static const struct foreign_key keys[] = {
    {"model_list[].model_name",                            LINT_EXACT,        ""                                      },
    { "model_list[].litellm_params.model",                 LINT_EXACT,        ""                                      },
    { "model_list[].litellm_params.timeout",               LINT_EXACT,        ""                                      },
    { "model_list[].litellm_params.stream_timeout",        LINT_EXACT,        ""                                      },
    { "model_list[].litellm_params.order",                 LINT_APPROXIMATED,
     "orders are tried one after the other, as since March 2026"                                                      },
    { "model_list[].litellm_params.weight",                LINT_EXACT,        ""                                      },
    { "model_list[].litellm_params.rpm",                   LINT_APPROXIMATED,
     "a weight of the choice; as a limit it is not modelled"                                                          },
    { "model_list[].litellm_params.tpm",                   LINT_APPROXIMATED,
     "a weight of the choice; as a limit it is not modelled"                                                          },
    { "model_list[].litellm_params.cooldown_time",         LINT_APPROXIMATED,
     "of no weight for the first call"                                                                                },
    { "model_list[].litellm_params.num_retries",           LINT_UNSUPPORTED,
     "the group's num_retries is taken"                                                                               },
    { "model_list[].litellm_params.max_retries",           LINT_UNSUPPORTED,
     "repetitions inside of the provider's SDK multiply with num_retries"                                             },
    { "model_list[].litellm_params.max_parallel_requests", LINT_UNSUPPORTED,
     "limits are not modelled"                                                                                        },
    { "model_list[].litellm_params.tags.**",               LINT_UNSUPPORTED,  "tags are not modelled"                 },
    { "model_list[].litellm_params.region_name",           LINT_UNSUPPORTED,  "regions are not modelled"              },
    { "model_list[].litellm_params.mock_response",         LINT_UNSUPPORTED,  "answers are not made up"               },
    { "model_list[].litellm_params.mock_timeout",          LINT_UNSUPPORTED,  "answers are not made up"               },
    { "model_list[].litellm_params.silent_model",          LINT_UNSUPPORTED,
     "mirrored calls cost, and never answer"                                                                          },
    { "model_list[].litellm_params.**",                    LINT_ASIDE,        ""                                      },
    { "model_list[].model_info.**",                        LINT_ASIDE,        ""                                      },
    RELIABILITY("router_settings"),
    { "router_settings.redis_host",                        LINT_ASIDE,        ""                                      },
    { "router_settings.redis_port",                        LINT_ASIDE,        ""                                      },
    { "router_settings.redis_password",                    LINT_ASIDE,        ""                                      },
    { "router_settings.redis_url",                         LINT_ASIDE,        ""                                      },
    { "router_settings.routing_strategy_args.**",          LINT_UNSUPPORTED,
     "depends on what happens while it runs"                                                                          },
    { "router_settings.cache_responses",                   LINT_UNSUPPORTED,
     "an answer from the cache is no attempt"                                                                         },
    { "router_settings.cache_kwargs.**",                   LINT_ASIDE,        ""                                      },
    RELIABILITY("litellm_settings"),
    { "litellm_settings.drop_params",                      LINT_ASIDE,        ""                                      },
    { "litellm_settings.telemetry",                        LINT_ASIDE,        ""                                      },
    { "litellm_settings.cache",                            LINT_UNSUPPORTED,  "an answer from the cache is no attempt"},
    { "litellm_settings.cache_params.**",                  LINT_ASIDE,        ""                                      },
    { "litellm_settings.callbacks.**",                     LINT_ASIDE,        ""                                      },
    { "litellm_settings.success_callback.**",              LINT_ASIDE,        ""                                      },
    { "litellm_settings.failure_callback.**",              LINT_ASIDE,        ""                                      },
    { "litellm_settings.database_url",                     LINT_ASIDE,        ""                                      },
    { "litellm_settings.turn_off_message_logging",         LINT_ASIDE,        ""                                      },
    { "litellm_settings.json_logs",                        LINT_ASIDE,        ""                                      },
    { "litellm_settings.max_budget",                       LINT_UNSUPPORTED,  "budgets are not modelled"              },
    { "litellm_settings.budget_duration",                  LINT_UNSUPPORTED,  "budgets are not modelled"              },
    { "general_settings.**",                               LINT_ASIDE,        ""                                      },
    { "environment_variables.**",                          LINT_ASIDE,        ""                                      },
    { "credential_list.**",                                LINT_ASIDE,        ""                                      },
    { NULL,                                                LINT_ASIDE,        NULL                                    },
};
/* clang-format on */

struct deployment {
    const struct yaml_node *at, *params;
    struct str group;
    struct str model;
    struct plan_value timeout, stream_timeout, weight, rpm, tpm, order, context;
};

/* The fallback lists by the failure that they are for. */
struct lists {
    const struct yaml_node *general, *context, *content;
    const struct yaml_node *by_default;
};

struct litellm {
    struct foreign *f;
    VEC(struct deployment) deployments;
    const struct yaml_node *router, *settings;
    struct plan_value retries, timeout, stream_timeout, retry_after, max_fallbacks;
    struct lists lists;
    uint32_t never_retried; /* classes that retry_policy sets to 0 */
    struct plan_when policy_off;
    const struct yaml_node *entered[FALLBACKS_MAX + 2]; /* groups on the way, by their first one */
};

static void litellm_release(struct litellm *l)
{
    vec_release(&l->deployments);
}
DEFINE_CLEANUP_VALUE(struct litellm, litellm_release)

/* --- settings --- */

/* A setting from either section; said twice and not alike is a finding. */
static const struct yaml_node *setting(struct litellm *l, const char *key)
{
    const struct yaml_node *a = yaml_get(l->router, key), *b = yaml_get(l->settings, key);

    if (a && b && a->kind == YAML_SCALAR && b->kind == YAML_SCALAR && !str_eq(a->text, b->text))
        lint_find(l->f->lint, LINT_OVERRIDDEN, foreign_key_at(l->f, b),
                  "%s is %.*s here and %.*s in router_settings, which wins", key, STR_ARG(b->text),
                  STR_ARG(a->text));
    return a ? a : b;
}

/* The classes that a retry_policy names. */
static const struct {
    const char *key;
    int from, to; /* statuses; 0 = none */
    enum plan_failure kind;
} policy_classes[] = {
    {"BadRequestErrorRetries",              400, 400, PLAN_FAILED_STATUS },
    { "AuthenticationErrorRetries",         401, 401, PLAN_FAILED_STATUS },
    { "TimeoutErrorRetries",                408, 408, PLAN_FAILED_HEAD   },
    { "RateLimitErrorRetries",              429, 429, PLAN_FAILED_STATUS },
    { "ContentPolicyViolationErrorRetries", 0,   0,   PLAN_FAILED_CONTENT},
    { "InternalServerErrorRetries",         500, 599, PLAN_FAILED_STATUS },
};

static int read_policy(struct litellm *l)
{
    const struct yaml_node *map = setting(l, "retry_policy");
    struct plan_value count = { 0 };

    if (!map || map->kind != YAML_MAP)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(policy_classes); i++) {
        const struct yaml_node *n = yaml_get(map, policy_classes[i].key);
        count.set = false;
        if (foreign_count(l->f, n, PLAN_ATTEMPTS_MAX, &count) < 0)
            return -1;
        if (!count.set)
            continue;
        if (count.n > l->retries.n)
            l->retries = count;
        if (count.n)
            continue;
        if (policy_classes[i].from)
            plan_when_add_statuses(&l->policy_off, policy_classes[i].from, policy_classes[i].to);
        if (policy_classes[i].kind != PLAN_FAILED_STATUS)
            l->never_retried |= UINT32_C(1) << policy_classes[i].kind;
    }
    return 0;
}

static void check_fails(struct litellm *l)
{
    const struct yaml_node *n = setting(l, "allowed_fails");

    if (n && n->kind == YAML_SCALAR && str_eq(n->text, STR("3")) &&
        !setting(l, "allowed_fails_policy"))
        lint_find(l->f->lint, LINT_ALLOWED_FAILS_3, foreign_key_at(l->f, n),
                  "allowed_fails: 3 is the default and counts as unset: more than half of at least "
                  "5 calls must fail in a minute");
}

static int read_settings(struct litellm *l)
{
    struct foreign *f = l->f;
    const struct yaml_node *timeout = setting(l, "timeout");

    l->retries = plan_default(DEFAULT_RETRIES);
    l->timeout = plan_default(DEFAULT_TIMEOUT_S * US_PER_SECOND);
    l->retry_after = plan_default(0);
    l->max_fallbacks = plan_default(DEFAULT_FALLBACKS);
    if (!timeout)
        timeout = setting(l, "request_timeout");
    if (foreign_count(f, setting(l, "num_retries"), PLAN_ATTEMPTS_MAX, &l->retries) < 0 ||
        foreign_time(f, timeout, US_PER_SECOND, &l->timeout) < 0 ||
        foreign_time(f, setting(l, "stream_timeout"), US_PER_SECOND, &l->stream_timeout) < 0 ||
        foreign_time(f, setting(l, "retry_after"), US_PER_SECOND, &l->retry_after) < 0 ||
        foreign_count(f, setting(l, "max_fallbacks"), FALLBACKS_MAX, &l->max_fallbacks) < 0 ||
        read_policy(l) < 0)
        return -1;
    if (!l->retries.at.line)
        lint_find(f->lint, LINT_NUM_RETRIES_UNSAID, foreign_at(f, yaml_root(f->y)),
                  "num_retries is not said: the code repeats 2 times, the documentation says 3");
    l->lists.general = setting(l, "fallbacks");
    l->lists.context = setting(l, "context_window_fallbacks");
    l->lists.content = setting(l, "content_policy_fallbacks");
    l->lists.by_default = setting(l, "default_fallbacks");
    check_fails(l);
    return 0;
}

/* --- deployments --- */

static int read_deployment(struct litellm *l, const struct yaml_node *n)
{
    struct foreign *f = l->f;
    struct deployment d = { .at = n, .timeout = l->timeout };
    const struct yaml_node *info;

    if (n->kind != YAML_MAP)
        return yaml_err(f->y, n, f->err, "expected a deployment (model_name, litellm_params)");
    if (yaml_str(f->y, yaml_get(n, "model_name"), &d.group, f->err) < 0 ||
        foreign_get(f, n, "litellm_params", YAML_MAP, &d.params) < 0 ||
        foreign_get(f, n, "model_info", YAML_MAP, &info) < 0)
        return -1;
    if (!d.params)
        return yaml_err(f->y, n, f->err, "a deployment needs litellm_params: {model: ...}");
    d.model = foreign_text(d.params, "model");
    if (foreign_time(f, yaml_get(d.params, "timeout"), US_PER_SECOND, &d.timeout) < 0)
        return -1;
    d.stream_timeout = l->stream_timeout.set ? l->stream_timeout : d.timeout;
    if (foreign_time(f, yaml_get(d.params, "stream_timeout"), US_PER_SECOND, &d.stream_timeout) <
            0 ||
        foreign_weight(f, yaml_get(d.params, "weight"), &d.weight) < 0 ||
        foreign_weight(f, yaml_get(d.params, "rpm"), &d.rpm) < 0 ||
        foreign_weight(f, yaml_get(d.params, "tpm"), &d.tpm) < 0 ||
        foreign_count(f, yaml_get(d.params, "order"), INT32_MAX, &d.order) < 0 ||
        (info && foreign_count(f, yaml_get(info, "max_input_tokens"), INT64_MAX, &d.context) < 0))
        return -1;
    const struct yaml_node *mock = yaml_get(d.params, "mock_timeout");
    if (!mock)
        mock = yaml_get(d.params, "mock_response");
    if (mock)
        lint_find(f->lint, LINT_MOCK, foreign_key_at(f, mock), "'%.*s' makes its answers up",
                  STR_ARG(d.group));
    if (str_find_char(d.group, '*', 0) >= 0)
        lint_find(f->lint, LINT_WILDCARD_COOLDOWN, foreign_at(f, yaml_get(n, "model_name")),
                  "deployments of the wildcard '%.*s' never cool down", STR_ARG(d.group));
    vec_push(&l->deployments, d);
    return 0;
}

/* The first deployment of a group: it stands for the group.  NULL if there is none; a name that no
 * group has may fit a wildcard. */
static const struct deployment *find_group(const struct litellm *l, struct str name)
{
    for (size_t i = 0; i < l->deployments.len; i++)
        if (str_eq(l->deployments.ptr[i].group, name))
            return &l->deployments.ptr[i];
    for (size_t i = 0; i < l->deployments.len; i++)
        if (str_find_char(l->deployments.ptr[i].group, '*', 0) >= 0 &&
            str_glob(l->deployments.ptr[i].group, name))
            return &l->deployments.ptr[i];
    return NULL;
}

static size_t count_of(const struct litellm *l, struct str group)
{
    size_t n = 0;

    for (size_t i = 0; i < l->deployments.len; i++)
        n += str_eq(l->deployments.ptr[i].group, group);
    return n;
}

/* simple-shuffle looks at the first deployment only: which of the three it has weighs them all. */
static void check_weights(struct litellm *l, const struct deployment *first)
{
    static const size_t offsets[] = {
        offsetof(struct deployment, weight),
        offsetof(struct deployment, rpm),
        offsetof(struct deployment, tpm),
    };
    static const char *const names[] = { "weight", "rpm", "tpm" };
    const struct yaml_node *strategy = setting(l, "routing_strategy");

    if (strategy && strategy->kind == YAML_SCALAR && !str_eq(strategy->text, STR("simple-shuffle")))
        return;
    for (size_t k = 0; k < ARRAY_LEN(offsets); k++) {
        struct plan_value of_first, of_other;
        memcpy(&of_first, (const char *)first + offsets[k], sizeof(of_first));
        for (size_t i = 0; i < l->deployments.len; i++) {
            const struct deployment *d = &l->deployments.ptr[i];
            memcpy(&of_other, (const char *)d + offsets[k], sizeof(of_other));
            if (!str_eq(d->group, first->group) || of_first.set == of_other.set)
                continue;
            lint_find(l->f->lint, LINT_WEIGHT_MISSING, foreign_at(l->f, d->at),
                      of_first.set ? "'%.*s': this deployment has no %s, so it is never chosen"
                                   : "'%.*s': the first deployment has no %s, so this one's is not "
                                     "looked at",
                      STR_ARG(first->group), names[k]);
        }
        if (of_first.set)
            return;
    }
}

/* --- groups and their fallbacks --- */

static struct plan_node *target_of(struct litellm *l, const struct deployment *d, size_t index)
{
    struct plan_node *t = foreign_nodef(l->f, PLAN_TARGET, d->at, "%.*s[%zu] (%.*s)",
                                        STR_ARG(d->group), index, STR_ARG(d->model));

    if (!t)
        return NULL;
    t->upstream = arena_str(&l->f->plan->arena, d->model);
    t->model = t->upstream;
    t->weight = d->weight.set ? d->weight : d->rpm.set ? d->rpm : d->tpm;
    t->attempt.of[PLAN_TIMER_TOTAL] = d->timeout;
    t->attempt.of[PLAN_TIMER_WHOLE] = d->timeout;
    t->attempt.of[PLAN_TIMER_FIRST_TOKEN] = d->stream_timeout;
    return t;
}

static void set_retry(struct litellm *l, struct plan_retry *r, bool alone)
{
    r->count = l->retries;
    r->on = (struct plan_when){
        .kinds = PLAN_KIND(CONNECT) | PLAN_KIND(HEAD) | PLAN_KIND(FIRST_TOKEN),
        .never = l->never_retried | (l->lists.context ? PLAN_KIND(CONTEXT) : 0) |
                 (l->lists.content ? PLAN_KIND(CONTENT) : 0),
        .set = true,
    };
    for (int status = 400; status < PLAN_STATUS_MAX; status++)
        if (status != 404 && !(status == 401 && alone) &&
            !plan_when_has(&l->policy_off, PLAN_FAILED_STATUS, status))
            plan_when_add_status(&r->on, status);
    r->backoff.also_at_the_end = true;
    if (!alone)
        return; /* no wait while another deployment is healthy */
    int64_t base = US_PER_SECOND / 2;
    r->backoff.base = plan_default(l->retry_after.n > base ? l->retry_after.n : base);
    r->backoff.cap = plan_default(8 * US_PER_SECOND);
    r->backoff.factor_percent = 200;
    r->backoff.jitter_us = US_PER_SECOND * 3 / 4;
    r->backoff.first_twice = true;
    r->retry_after.honoured = plan_default(1);
    r->retry_after.longest_us = 60 * US_PER_SECOND;
}

/* The deployments of one order, or of all if order is not set. */
static struct plan_node *pool_of(struct litellm *l, const struct deployment *first,
                                 const struct plan_value *order)
{
    struct plan_node *pool = NULL;
    size_t index = 0, chosen = 0;

    pool = order->set ? foreign_nodef(l->f, PLAN_POOL, first->at, "%.*s order %lld",
                                      STR_ARG(first->group), (long long)order->n)
                      : foreign_node(l->f, PLAN_POOL, first->group, first->at);
    if (!pool)
        return NULL;
    for (size_t i = 0; i < l->deployments.len; i++) {
        const struct deployment *d = &l->deployments.ptr[i];
        if (!str_eq(d->group, first->group))
            continue;
        index++;
        if (order->set && (!d->order.set || d->order.n != order->n))
            continue;
        struct plan_node *t = target_of(l, d, index - 1);
        if (!t)
            return NULL;
        plan_node_add(pool, t);
        chosen++;
    }
    set_retry(l, &pool->retry, chosen == 1);
    pool->health.memory = PLAN_MEMORY_COOLDOWN;
    return pool;
}

/* The next larger order of a group, from *order on; false if there is none. */
static bool next_order(const struct litellm *l, struct str group, struct plan_value *order)
{
    struct plan_value best = { 0 };

    for (size_t i = 0; i < l->deployments.len; i++) {
        const struct deployment *d = &l->deployments.ptr[i];
        if (!str_eq(d->group, group) || !d->order.set || (order->set && d->order.n <= order->n))
            continue;
        if (!best.set || d->order.n < best.n)
            best = d->order;
    }
    *order = best;
    return best.set;
}

static struct plan_node *build_group(struct litellm *l, const struct deployment *first,
                                     unsigned depth);

/* The groups that a list of {group: [groups]} names for a group, NULL = none. */
static const struct yaml_node *listed_for(struct litellm *l, const struct yaml_node *list,
                                          struct str group)
{
    ptrdiff_t slash = str_find_char(group, '/', 0);
    struct str names[] = { group, slash > 0 ? str_sub(group, (size_t)slash + 1, group.len) : group,
                           STR("*") };

    (void)l;
    if (!list || list->kind != YAML_LIST)
        return NULL;
    for (size_t k = 0; k < ARRAY_LEN(names); k++)
        for (const struct yaml_node *i = list->items; i; i = i->next)
            for (const struct yaml_node *e = i->kind == YAML_MAP ? i->items : NULL; e; e = e->next)
                if (str_eq(e->key->text, names[k]))
                    return e;
    return NULL;
}

static bool is_entered(const struct litellm *l, const struct yaml_node *group, unsigned depth)
{
    for (unsigned i = 0; i <= depth; i++)
        if (l->entered[i] == group)
            return true;
    return false;
}

static bool said(const struct litellm *l, enum lint_rule rule, struct plan_place at)
{
    const struct lint *lint = l->f->lint;

    for (size_t i = 0; i < lint->findings.len; i++)
        if (lint->findings.ptr[i].rule == rule && lint->findings.ptr[i].at.line == at.line &&
            lint->findings.ptr[i].at.column == at.column &&
            str_eq(lint->findings.ptr[i].at.file, at.file))
            return true;
    return false;
}

static void check_fallback(struct litellm *l, const struct yaml_node *n,
                           const struct deployment *from, const struct deployment *to,
                           unsigned depth)
{
    struct plan_place at = foreign_at(l->f, n);

    if (is_entered(l, to->at, depth) && !said(l, LINT_FALLBACK_CYCLE, at))
        lint_find(l->f->lint, LINT_FALLBACK_CYCLE, at,
                  "'%.*s' falls back to '%.*s', from which it may have come: max_fallbacks alone "
                  "ends it",
                  STR_ARG(from->group), STR_ARG(to->group));
    if (from->context.set && to->context.set && to->context.n < from->context.n &&
        !said(l, LINT_SMALLER_CONTEXT, at))
        lint_find(l->f->lint, LINT_SMALLER_CONTEXT, at,
                  "'%.*s' takes %lld tokens, '%.*s' %lld: what is longer fails there as well",
                  STR_ARG(to->group), (long long)to->context.n, STR_ARG(from->group),
                  (long long)from->context.n);
}

/* Hangs one list's groups behind what was tried before. */
static int add_fallbacks(struct litellm *l, struct plan_node *to, const struct deployment *from,
                         const struct yaml_node *list, const struct plan_when *when)
{
    unsigned depth = 0;

    while (depth <= FALLBACKS_MAX && l->entered[depth + 1])
        depth++;
    for (const struct yaml_node *i = list ? list->items : NULL; i; i = i->next) {
        struct plan_place at = foreign_at(l->f, i);
        if (i->kind != YAML_SCALAR)
            continue; /* a call of its own: named in the manual as not modelled */
        const struct deployment *next = find_group(l, i->text);
        if (!next) {
            if (!said(l, LINT_FALLBACK_UNKNOWN, at))
                lint_find(l->f->lint, LINT_FALLBACK_UNKNOWN, at,
                          "no model_name is '%.*s': there is nothing to fall back to",
                          STR_ARG(i->text));
            continue;
        }
        if (next->at == from->at)
            continue; /* the router passes over the group itself */
        check_fallback(l, i, from, next, depth);
        if ((int64_t)depth >= l->max_fallbacks.n) {
            if (!said(l, LINT_MAX_FALLBACKS, at) && !is_entered(l, next->at, depth))
                lint_find(l->f->lint, LINT_MAX_FALLBACKS, at,
                          "'%.*s' is more than %lld fallbacks away and not tried", STR_ARG(i->text),
                          (long long)l->max_fallbacks.n);
            continue;
        }
        struct plan_node *child = build_group(l, next, depth + 1);
        if (!child)
            return -1;
        child->when = *when;
        plan_node_add(to, child);
    }
    return 0;
}

static int add_lists(struct litellm *l, struct plan_node *to, const struct deployment *from)
{
    const struct lists *lists = &l->lists;
    struct plan_when general = { .kinds = PLAN_KINDS_EARLY, .set = true };
    struct plan_when context = { .kinds = PLAN_KIND(CONTEXT), .set = true };
    struct plan_when content = { .kinds = PLAN_KIND(CONTENT), .set = true };
    const struct yaml_node *list = listed_for(l, lists->general, from->group);

    general.never =
        (lists->context ? PLAN_KIND(CONTEXT) : 0) | (lists->content ? PLAN_KIND(CONTENT) : 0);
    if (!list && lists->by_default && lists->by_default->kind == YAML_LIST)
        list = lists->by_default;
    if (add_fallbacks(l, to, from, list, &general) < 0)
        return -1;
    if (add_fallbacks(l, to, from, listed_for(l, lists->context, from->group), &context) < 0)
        return -1;
    return add_fallbacks(l, to, from, listed_for(l, lists->content, from->group), &content);
}

static struct plan_node *build_group(struct litellm *l, const struct deployment *first,
                                     unsigned depth)
{
    struct plan_value order = { 0 };
    struct plan_node *to = foreign_node(l->f, PLAN_FALLBACK, first->group, first->at);

    if (!to)
        return NULL;
    l->entered[depth] = first->at;
    bool tiers = next_order(l, first->group, &order);
    do {
        struct plan_node *pool = pool_of(l, first, &order);
        if (!pool)
            return NULL;
        if (to->len)
            pool->when = (struct plan_when){ .kinds = PLAN_KINDS_EARLY, .set = true };
        plan_node_add(to, pool);
    } while (tiers && next_order(l, first->group, &order));
    int r = add_lists(l, to, first);
    l->entered[depth] = NULL;
    return r < 0 ? NULL : to;
}

static int add_routes(struct litellm *l)
{
    for (size_t i = 0; i < l->deployments.len; i++) {
        const struct deployment *d = &l->deployments.ptr[i];
        if (find_group(l, d->group) != d)
            continue;
        struct plan_route *r = plan_add_route(l->f->plan, d->group, foreign_at(l->f, d->at));
        r->root = build_group(l, d, 0);
        if (!r->root)
            return -1;
        if (count_of(l, d->group) > 1)
            check_weights(l, d);
    }
    return 0;
}

/* Keys of fallback lists and values of aliases that no group has. */
static void check_names(struct litellm *l, const struct yaml_node *list)
{
    for (const struct yaml_node *i = list && list->kind == YAML_LIST ? list->items : NULL; i;
         i = i->next)
        for (const struct yaml_node *e = i->kind == YAML_MAP ? i->items : NULL; e; e = e->next)
            if (!str_eq(e->key->text, STR("*")) && !find_group(l, e->key->text))
                lint_find(l->f->lint, LINT_FALLBACK_UNKNOWN, foreign_key_at(l->f, e),
                          "no model_name is '%.*s': its fallbacks are never used",
                          STR_ARG(e->key->text));
}

static void check_timeouts(struct litellm *l)
{
    for (size_t i = 0; i < l->deployments.len; i++) {
        const struct deployment *d = &l->deployments.ptr[i];
        if (d->timeout.at.line)
            continue;
        lint_find(l->f->lint, LINT_TIMEOUT_UNSAID, foreign_at(l->f, d->at),
                  "'%.*s' has no timeout: a call may take 6000 s before anything else is tried",
                  STR_ARG(d->group));
        return; /* it holds for the others as well */
    }
}

int foreign_read_litellm(struct foreign *f)
{
    CLEANUP(litellm_release) struct litellm l = { .f = f };
    const struct yaml_node *root = yaml_root(f->y), *models;

    f->plan->late_status = 408;
    if (foreign_get(f, root, "router_settings", YAML_MAP, &l.router) < 0 ||
        foreign_get(f, root, "litellm_settings", YAML_MAP, &l.settings) < 0 ||
        foreign_get(f, root, "model_list", YAML_LIST, &models) < 0 || read_settings(&l) < 0)
        return -1;
    if (models && models->len > DEPLOYMENTS_MAX)
        return yaml_err(f->y, models, f->err, "more than %d deployments", DEPLOYMENTS_MAX);
    for (const struct yaml_node *n = models ? models->items : NULL; n; n = n->next)
        if (read_deployment(&l, n) < 0)
            return -1;
    if (add_routes(&l) < 0)
        return -1;
    check_names(&l, l.lists.general);
    check_names(&l, l.lists.context);
    check_names(&l, l.lists.content);
    check_timeouts(&l);
    foreign_account(f, root, keys);
    return 0;
}
