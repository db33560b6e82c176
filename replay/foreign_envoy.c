/* Envoy AI Gateway: AIGatewayRoute and BackendTrafficPolicy among other resources, in one or
 * several files.
 *
 * As Envoy Gateway of August 2026 translates them: one budget of attempts for a call, which goes to
 * the highest priority alone unless numAttemptsPerPriority says when to move on.  A failure is what
 * retryOn names, decided on the head of an answer; nothing is tried again behind it.
 */
#include "config.h"

#include "base/buf.h"
#include "base/timestamp.h"
#include "base/vec.h"
#include "replay/foreign_read.h"

#define DEFAULT_RETRIES    2
#define DEFAULT_BASE_US    (25 * INT64_C(1000))
#define DEFAULT_CONNECT_US (10 * US_PER_SECOND)
#define DEFAULT_REQUEST_US (60 * US_PER_SECOND)
#define DEFAULT_EJECTION   10 /* percent of the hosts */
#define PRIORITY_MAX       1000

/* clang-format off: one a line */
static const struct foreign_key route_keys[] = {
    {"apiVersion",                                    LINT_ASIDE,       ""                       },
    { "kind",                                         LINT_EXACT,       ""                       },
    { "metadata.name",                                LINT_EXACT,       ""                       },
    { "metadata.**",                                  LINT_ASIDE,       ""                       },
    { "spec.parentRefs.**",                           LINT_ASIDE,       ""                       },
    { "spec.rules[].matches.**",                      LINT_EXACT,       ""                       },
    { "spec.rules[].backendRefs[].name",              LINT_EXACT,       ""                       },
    { "spec.rules[].backendRefs[].weight",            LINT_EXACT,       ""                       },
    { "spec.rules[].backendRefs[].priority",          LINT_EXACT,       ""                       },
    { "spec.rules[].backendRefs[].modelNameOverride", LINT_EXACT,       ""                       },
    { "spec.rules[].backendRefs[].**",                LINT_ASIDE,       ""                       },
    { "spec.rules[].timeouts.request",                LINT_EXACT,       ""                       },
    { "spec.rules[].timeouts.backendRequest",         LINT_UNSUPPORTED,
     "perRetry.timeout of the policy is taken"                                                   },
    { "spec.rules[].streamIdleTimeout",               LINT_EXACT,       ""                       },
    { "spec.rules[].modelsOwnedBy",                   LINT_ASIDE,       ""                       },
    { "spec.rules[].modelsCreatedAt",                 LINT_ASIDE,       ""                       },
    { "spec.llmRequestCosts.**",                      LINT_UNSUPPORTED, "quotas are not modelled"},
    { "spec.filterConfig.**",                         LINT_ASIDE,       ""                       },
    { NULL,                                           LINT_ASIDE,       NULL                     },
};
static const struct foreign_key policy_keys[] = {
    {"apiVersion",                             LINT_ASIDE,        ""                                             },
    { "kind",                                  LINT_EXACT,        ""                                             },
    { "metadata.**",                           LINT_ASIDE,        ""                                             },
    { "spec.targetRefs[].name",                LINT_EXACT,        ""                                             },
    { "spec.targetRefs[].**",                  LINT_APPROXIMATED, "a policy is matched to the route of that name"},
    { "spec.targetRef.**",                     LINT_APPROXIMATED, "a policy is matched to the route of that name"},
    { "spec.retry.numRetries",                 LINT_EXACT,        ""                                             },
    { "spec.retry.numAttemptsPerPriority",     LINT_EXACT,        ""                                             },
    { "spec.retry.perRetry.timeout",           LINT_EXACT,        ""                                             },
    { "spec.retry.perRetry.backOff.**",        LINT_EXACT,        ""                                             },
    { "spec.retry.retryOn.triggers.**",        LINT_EXACT,        ""                                             },
    { "spec.retry.retryOn.httpStatusCodes.**", LINT_EXACT,        ""                                             },
    { "spec.timeout.tcp.connectTimeout",       LINT_EXACT,        ""                                             },
    { "spec.timeout.**",                       LINT_UNSUPPORTED,  "not a timeout that is known here"             },
    { "spec.healthCheck.**",                   LINT_APPROXIMATED, "of no weight for the first call"              },
    { "spec.circuitBreaker.**",                LINT_UNSUPPORTED,  "limits are not modelled"                      },
    { "spec.rateLimit.**",                     LINT_UNSUPPORTED,  "limits are not modelled"                      },
    { "spec.loadBalancer.**",                  LINT_UNSUPPORTED,  "within a priority any backend may be chosen"  },
    { "spec.**",                               LINT_ASIDE,        ""                                             },
    { NULL,                                    LINT_ASIDE,        NULL                                           },
};
static const struct foreign_key other_keys[] = {
    {"*.**", LINT_ASIDE, ""  },
    { NULL,  LINT_ASIDE, NULL},
};
/* clang-format on */

/* A resource and the file it is in. */
struct resource {
    const struct foreign_file *file;
    const struct yaml_node *root, *spec;
    struct str name;
    bool used; /* a policy: by some route */
};

struct envoy {
    struct foreign *f;
    VEC(struct resource) routes, policies;
};

static void envoy_release(struct envoy *e)
{
    vec_release(&e->routes);
    vec_release(&e->policies);
}
DEFINE_CLEANUP_VALUE(struct envoy, envoy_release)

/* Messages and places are about this file from now on. */
static void turn_to(struct foreign *f, const struct foreign_file *file)
{
    f->file = file;
    f->y = file->tree;
}

/* --- what is tried again --- */

static const struct {
    const char *name;
    uint32_t kinds;
    int from, to;
} triggers[] = {
    {"5xx",                     PLAN_KIND(CONNECT) | PLAN_KIND(HEAD), 500, 599},
    { "gateway-error",          PLAN_KIND(CONNECT) | PLAN_KIND(HEAD), 502, 504},
    { "reset",                  PLAN_KIND(CONNECT) | PLAN_KIND(HEAD), 0,   0  },
    { "reset-before-request",   PLAN_KIND(CONNECT),                   0,   0  },
    { "connect-failure",        PLAN_KIND(CONNECT),                   0,   0  },
    { "refused-stream",         0,                                    0,   0  },
    { "retriable-4xx",          0,                                    409, 409},
    { "retriable-status-codes", 0,                                    0,   0  },
    { "cancelled",              0,                                    0,   0  },
    { "deadline-exceeded",      0,                                    0,   0  },
    { "internal",               0,                                    0,   0  },
    { "resource-exhausted",     0,                                    0,   0  },
    { "unavailable",            0,                                    0,   0  },
};

static int add_trigger(struct foreign *f, const struct yaml_node *n, struct plan_when *ret)
{
    struct str text;

    if (yaml_str(f->y, n, &text, f->err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(triggers); i++) {
        if (!str_eq(text, str_from(triggers[i].name)))
            continue;
        ret->kinds |= triggers[i].kinds;
        if (triggers[i].from)
            plan_when_add_statuses(ret, triggers[i].from, triggers[i].to);
        return 0;
    }
    return yaml_err(f->y, n, f->err, "'%.*s' is no trigger of retryOn",
                    STR_ARG(str_sub(text, 0, 40)));
}

static bool has_item(const struct yaml_node *list, struct str text)
{
    for (const struct yaml_node *i = list ? list->items : NULL; i; i = i->next)
        if (i->kind == YAML_SCALAR && str_eq(i->text, text))
            return true;
    return false;
}

static int read_on(struct foreign *f, const struct yaml_node *on, struct plan_when *ret)
{
    const struct yaml_node *list, *codes;
    struct plan_when by_code = { 0 };

    *ret = (struct plan_when){ .set = true, .at = foreign_key_at(f, on) };
    if (foreign_get(f, on, "triggers", YAML_LIST, &list) < 0 ||
        foreign_get(f, on, "httpStatusCodes", YAML_LIST, &codes) < 0 ||
        foreign_statuses(f, codes, &by_code) < 0)
        return -1;
    if (!list)
        ret->kinds = PLAN_KIND(CONNECT);
    for (const struct yaml_node *i = list ? list->items : NULL; i; i = i->next)
        if (add_trigger(f, i, ret) < 0)
            return -1;
    if (!on)
        plan_when_add_status(ret, 503);
    bool codes_count = !list || has_item(list, STR("retriable-status-codes"));
    for (size_t i = 0; codes_count && i < sizeof(ret->status); i++)
        ret->status[i] |= by_code.status[i];
    if (codes && !codes_count)
        lint_find(f->lint, LINT_CODES_WITHOUT_TRIGGER, foreign_key_at(f, codes),
                  "httpStatusCodes without the trigger retriable-status-codes");
    return 0;
}

static void check_on(struct foreign *f, const struct plan_when *on, const struct yaml_node *retry)
{
    static const int usual[] = { 429, 500, 502, 503, 504 };
    CLEANUP(buf_release) struct buf missing = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(usual); i++)
        if (!plan_when_has(on, PLAN_FAILED_STATUS, usual[i]))
            buf_addf(&missing, "%s%d", missing.len ? ", " : "", usual[i]);
    if (missing.len)
        lint_find(f->lint, LINT_RETRY_ON_429_503, on->at.line ? on->at : foreign_key_at(f, retry),
                  "%s go to the caller: nothing is tried after them", buf_cstr(&missing));
}

/* --- policies --- */

/* What a policy says to one rule. */
struct policy {
    struct plan_retry retry;
    struct plan_value per_priority, per_try, connect;
    struct plan_place at;
    bool given; /* a retry section is there */
};

static int read_retry(struct foreign *f, const struct yaml_node *retry, struct policy *ret)
{
    const struct yaml_node *on, *each, *backoff;

    if (foreign_get(f, retry, "retryOn", YAML_MAP, &on) < 0 ||
        foreign_get(f, retry, "perRetry", YAML_MAP, &each) < 0 ||
        foreign_get(f, each, "backOff", YAML_MAP, &backoff) < 0)
        return -1;
    ret->given = true;
    ret->at = foreign_key_at(f, retry);
    ret->retry.count = plan_default(DEFAULT_RETRIES);
    ret->retry.backoff.base = plan_default(DEFAULT_BASE_US);
    ret->retry.backoff.factor_percent = 200;
    ret->retry.backoff.full_jitter = true;
    if (read_on(f, on, &ret->retry.on) < 0 ||
        foreign_count(f, yaml_get(retry, "numRetries"), PLAN_ATTEMPTS_MAX, &ret->retry.count) < 0 ||
        foreign_count(f, yaml_get(retry, "numAttemptsPerPriority"), PLAN_ATTEMPTS_MAX,
                      &ret->per_priority) < 0 ||
        foreign_duration(f, yaml_get(each, "timeout"), &ret->per_try) < 0 ||
        foreign_duration(f, yaml_get(backoff, "baseInterval"), &ret->retry.backoff.base) < 0)
        return -1;
    ret->retry.backoff.cap = plan_default(plan_times_us(ret->retry.backoff.base.n, 10));
    return foreign_duration(f, yaml_get(backoff, "maxInterval"), &ret->retry.backoff.cap);
}

static int read_policy(struct foreign *f, const struct yaml_node *spec, struct policy *ret)
{
    const struct yaml_node *retry, *timeout, *tcp;

    if (foreign_get(f, spec, "retry", YAML_MAP, &retry) < 0 ||
        foreign_get(f, spec, "timeout", YAML_MAP, &timeout) < 0 ||
        foreign_get(f, timeout, "tcp", YAML_MAP, &tcp) < 0 ||
        foreign_duration(f, yaml_get(tcp, "connectTimeout"), &ret->connect) < 0)
        return -1;
    return retry ? read_retry(f, retry, ret) : 0;
}

static int check_policy(struct foreign *f, const struct resource *r)
{
    const struct yaml_node *retry, *health, *passive;
    struct plan_value most = plan_default(DEFAULT_EJECTION);
    struct policy policy = { 0 };
    bool always = false;

    if (read_policy(f, r->spec, &policy) < 0 ||
        foreign_get(f, r->spec, "retry", YAML_MAP, &retry) < 0 ||
        foreign_get(f, r->spec, "healthCheck", YAML_MAP, &health) < 0 ||
        foreign_get(f, health, "passive", YAML_MAP, &passive) < 0)
        return -1;
    if (retry)
        check_on(f, &policy.retry.on, retry);
    if (!passive)
        return 0;
    const struct yaml_node *one = yaml_get(passive, "alwaysEjectOneEndpoint");
    if ((one && yaml_bool(f->y, one, &always, f->err) < 0) ||
        foreign_count(f, yaml_get(passive, "maxEjectionPercent"), 100, &most) < 0)
        return -1;
    if (!always && most.n < 100)
        lint_find(f->lint, LINT_MAX_EJECTION, most.at.line ? most.at : foreign_key_at(f, passive),
                  "at most %lld %% of the endpoints are ejected: of one endpoint, none",
                  (long long)most.n);
    return 0;
}

static bool is_for(const struct resource *policy, struct str route)
{
    const struct yaml_node *refs = yaml_get(policy->spec, "targetRefs");

    for (const struct yaml_node *i = refs && refs->kind == YAML_LIST ? refs->items : NULL; i;
         i = i->next)
        if (str_eq(foreign_text(i, "name"), route))
            return true;
    return str_eq(foreign_text(yaml_get(policy->spec, "targetRef"), "name"), route);
}

static int find_policy(struct envoy *e, const struct resource *route, struct policy *ret)
{
    for (size_t i = 0; i < e->policies.len; i++) {
        struct resource *r = &e->policies.ptr[i];
        if (!is_for(r, route->name))
            continue;
        r->used = true;
        turn_to(e->f, r->file);
        int result = read_policy(e->f, r->spec, ret);
        turn_to(e->f, route->file);
        return result;
    }
    return 0;
}

/* --- routes --- */

static void set_timers(struct plan_node *t, const struct policy *policy,
                       const struct plan_value *idle)
{
    struct plan_value head = policy->per_try;

    /* The idle timer of a try runs before its first byte as well. */
    if (idle->set && (!head.set || idle->n < head.n))
        head = *idle;
    t->attempt.of[PLAN_TIMER_CONNECT] =
        policy->connect.set ? policy->connect : plan_default(DEFAULT_CONNECT_US);
    t->attempt.of[PLAN_TIMER_HEAD] = head;
    t->attempt.of[PLAN_TIMER_IDLE] = *idle;
}

static struct plan_node *read_backend(struct foreign *f, const struct yaml_node *n,
                                      const struct policy *policy, const struct plan_value *idle,
                                      struct plan_value *ret_priority)
{
    struct str name = foreign_text(n, "name"), model = foreign_text(n, "modelNameOverride");
    struct plan_node *t = foreign_nodef(f, PLAN_TARGET, n, "%.*s%s%.*s", STR_ARG(name),
                                        model.len ? " " : "", STR_ARG(model));

    *ret_priority = plan_default(0);
    if (!t)
        return NULL;
    t->upstream = arena_str(&f->plan->arena, name);
    t->model = arena_str(&f->plan->arena, model);
    t->weight = plan_default(1000000);
    set_timers(t, policy, idle);
    if (foreign_weight(f, yaml_get(n, "weight"), &t->weight) < 0 ||
        foreign_count(f, yaml_get(n, "priority"), PRIORITY_MAX, ret_priority) < 0)
        return NULL;
    return t;
}

/* The priorities in order, each a group of which one is chosen by weight. */
static int add_backends(struct foreign *f, struct plan_node *to, const struct yaml_node *refs,
                        const struct policy *policy, const struct plan_value *idle)
{
    for (int64_t next = 0; next <= PRIORITY_MAX;) {
        struct plan_node *group = NULL;
        int64_t lowest = PRIORITY_MAX + 1;
        for (const struct yaml_node *i = refs->items; i; i = i->next) {
            struct plan_value priority = plan_default(0);
            if (foreign_count(f, yaml_get(i, "priority"), PRIORITY_MAX, &priority) < 0)
                return -1;
            if (priority.n > next && priority.n < lowest)
                lowest = priority.n;
            if (priority.n != next)
                continue;
            if (!group)
                group = foreign_nodef(f, PLAN_PICK, i, "priority %lld", (long long)next);
            struct plan_node *t = group ? read_backend(f, i, policy, idle, &priority) : NULL;
            if (!t)
                return -1;
            plan_node_add(group, t);
        }
        if (group)
            plan_node_add(to, group);
        next = lowest;
    }
    return 0;
}

static struct str rule_name(const struct yaml_node *rule)
{
    const struct yaml_node *matches = yaml_get(rule, "matches");
    const struct yaml_node *headers =
        matches && matches->items ? yaml_get(matches->items, "headers") : NULL;

    for (const struct yaml_node *i = headers ? headers->items : NULL; i; i = i->next)
        if (str_eq(foreign_text(i, "name"), STR("x-ai-eg-model")))
            return foreign_text(i, "value");
    return STR("");
}

static int add_rule(struct envoy *e, const struct resource *route, const struct yaml_node *rule)
{
    struct foreign *f = e->f;
    struct plan_value request = plan_default(DEFAULT_REQUEST_US), idle = { 0 };
    const struct yaml_node *refs, *timeouts;
    CLEANUP(buf_release) struct buf name = { 0 };
    struct policy policy = { 0 };
    struct str model = rule_name(rule);

    if (find_policy(e, route, &policy) < 0 ||
        foreign_get(f, rule, "backendRefs", YAML_LIST, &refs) < 0 ||
        foreign_get(f, rule, "timeouts", YAML_MAP, &timeouts) < 0 ||
        foreign_duration(f, yaml_get(timeouts, "request"), &request) < 0 ||
        foreign_duration(f, yaml_get(rule, "streamIdleTimeout"), &idle) < 0)
        return -1;
    if (!refs || !refs->len || refs->len > PLAN_NODES_MAX / 10)
        return yaml_err(f->y, rule, f->err, "a rule needs backendRefs");
    buf_addf(&name, "%.*s%s%.*s", STR_ARG(route->name), model.len ? " " : "", STR_ARG(model));
    struct plan_route *r = plan_add_route(f->plan, buf_str(&name), foreign_at(f, rule));
    r->root = foreign_node(f, PLAN_TIERS, r->name, rule);
    if (!r->root)
        return -1;
    r->root->retry = policy.retry;
    if (policy.per_priority.n > 0)
        r->root->attempts_per_item = policy.per_priority;
    r->root->span.of[PLAN_TIMER_TOTAL] = request;
    r->root->span.of[PLAN_TIMER_WHOLE] = request;
    if (add_backends(f, r->root, refs, &policy, &idle) < 0)
        return -1;
    if (policy.given && r->root->len > 1 && !r->root->attempts_per_item.set)
        lint_find(f->lint, LINT_ATTEMPTS_PER_PRIORITY, policy.at,
                  "all %lld repetitions go to the first priority of '%.*s'",
                  (long long)policy.retry.count.n, STR_ARG(r->name));
    return 0;
}

static int add_route(struct envoy *e, const struct resource *route)
{
    const struct yaml_node *rules;

    turn_to(e->f, route->file);
    if (foreign_get(e->f, route->spec, "rules", YAML_LIST, &rules) < 0)
        return -1;
    for (const struct yaml_node *i = rules ? rules->items : NULL; i; i = i->next)
        if (add_rule(e, route, i) < 0)
            return -1;
    return 0;
}

/* --- resources --- */

static int add_document(struct envoy *e, const struct yaml_node *root)
{
    struct foreign *f = e->f;
    const struct yaml_node *metadata, *spec;
    struct str kind = foreign_text(root, "kind");
    bool is_route = str_eq(kind, STR("AIGatewayRoute"));
    bool is_policy = str_eq(kind, STR("BackendTrafficPolicy"));

    if (yaml_is_null(root))
        return 0;
    if (root->kind != YAML_MAP || !kind.len)
        return yaml_err(f->y, root, f->err, "expected a resource (apiVersion, kind, metadata)");
    foreign_account(f, root, is_route ? route_keys : is_policy ? policy_keys : other_keys);
    if (!is_route && !is_policy)
        return 0;
    if (foreign_get(f, root, "metadata", YAML_MAP, &metadata) < 0 ||
        foreign_get(f, root, "spec", YAML_MAP, &spec) < 0)
        return -1;
    struct resource r = {
        .file = f->file, .root = root, .spec = spec, .name = foreign_text(metadata, "name")
    };
    if (is_route) {
        vec_push(&e->routes, r);
        return 0;
    }
    vec_push(&e->policies, r);
    return check_policy(f, &r);
}

int foreign_read_envoy(struct foreign *f, const struct foreign_file *files, size_t count)
{
    CLEANUP(envoy_release) struct envoy e = { .f = f };

    for (size_t i = 0; i < count; i++) {
        turn_to(f, &files[i]);
        for (const struct yaml_node *n = yaml_root(f->y); n; n = n->next)
            if (add_document(&e, n) < 0)
                return -1;
    }
    for (size_t i = 0; i < e.routes.len; i++)
        if (add_route(&e, &e.routes.ptr[i]) < 0)
            return -1;
    for (size_t i = 0; i < e.policies.len; i++) {
        const struct resource *r = &e.policies.ptr[i];
        turn_to(f, r->file);
        if (!r->used)
            lint_find(f->lint, LINT_POLICY_ALONE, foreign_at(f, r->root),
                      "policy '%.*s' is for no AIGatewayRoute of these files", STR_ARG(r->name));
    }
    return 0;
}
