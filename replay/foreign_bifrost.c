/* Bifrost: config.json with providers and virtual keys, or a request that names its fallbacks.
 *
 * As core/bifrost.go of 2026 does it: a provider repeats on its own, then the next one begins
 * afresh with its own repetitions.  The providers of a virtual key are drawn by weight, the others
 * follow by falling weight.
 */
#include "config.h"

#include <stdlib.h>

#include "base/timestamp.h"
#include "base/vec.h"
#include "replay/foreign_read.h"

#define MS INT64_C(1000)
/* schemas.Default...InSeconds, as of 2026; older versions: 60 s of idle. */
#define DEFAULT_REQUEST_US (30 * US_PER_SECOND)
#define DEFAULT_IDLE_US    (120 * US_PER_SECOND)

/* clang-format off: one a line */
static const struct foreign_key keys[] = {
    {"providers.*.network_config.max_retries",                          LINT_EXACT,        ""                                         },
    { "providers.*.network_config.retry_backoff_initial",               LINT_EXACT,        ""                                         },
    { "providers.*.network_config.retry_backoff_max",                   LINT_EXACT,        ""                                         },
    { "providers.*.network_config.default_request_timeout_in_seconds",  LINT_EXACT,        ""                                         },
    { "providers.*.network_config.stream_idle_timeout_in_seconds",      LINT_EXACT,        ""                                         },
    { "providers.*.network_config.stream_throughput_guard.**",          LINT_UNSUPPORTED,
     "slow streams that are given up are not modelled"                                                                                },
    { "providers.*.network_config.base_url",                            LINT_ASIDE,        ""                                         },
    { "providers.*.network_config.extra_headers.**",                    LINT_ASIDE,        ""                                         },
    { "providers.*.keys[].models.**",                                   LINT_UNSUPPORTED,  "every key is taken to serve every model"  },
    { "providers.*.keys[].weight",                                      LINT_APPROXIMATED,
     "keys are told apart only in that a repetition may get another"                                                                  },
    { "providers.*.keys[].**",                                          LINT_ASIDE,        ""                                         },
    { "providers.*.concurrency_and_buffer_size.**",                     LINT_UNSUPPORTED,  "queues are not modelled"                  },
    { "providers.*.proxy_config.**",                                    LINT_ASIDE,        ""                                         },
    { "providers.*.send_back_raw_response",                             LINT_ASIDE,        ""                                         },
    { "providers.*.custom_provider_config.**",                          LINT_ASIDE,        ""                                         },
    { "governance.virtual_keys[].provider_configs[].provider",          LINT_EXACT,        ""                                         },
    { "governance.virtual_keys[].provider_configs[].weight",            LINT_EXACT,        ""                                         },
    { "governance.virtual_keys[].provider_configs[].allowed_models.**", LINT_UNSUPPORTED,
     "every model is taken to be allowed"                                                                                             },
    { "governance.virtual_keys[].provider_configs[].key_ids.**",        LINT_ASIDE,        ""                                         },
    { "governance.virtual_keys[].provider_configs[].**",                LINT_UNSUPPORTED,
     "limits and budgets are not modelled"                                                                                            },
    { "governance.virtual_keys[].name",                                 LINT_EXACT,        ""                                         },
    { "governance.virtual_keys[].is_active",                            LINT_UNSUPPORTED,  "every key is taken to be active"          },
    { "governance.virtual_keys[].**",                                   LINT_ASIDE,        ""                                         },
    { "governance.**",                                                  LINT_UNSUPPORTED,  "limits and budgets are not modelled"      },
    { "client.**",                                                      LINT_ASIDE,        ""                                         },
    { "logs_store.**",                                                  LINT_ASIDE,        ""                                         },
    { "config_store.**",                                                LINT_ASIDE,        ""                                         },
    { "vector_store.**",                                                LINT_ASIDE,        ""                                         },
    { "plugins.**",                                                     LINT_UNSUPPORTED,  "plugins can answer, deny or change a call"},
    { "mcp.**",                                                         LINT_ASIDE,        ""                                         },
    { "framework.**",                                                   LINT_ASIDE,        ""                                         },
    { "encryption_key",                                                 LINT_ASIDE,        ""                                         },
    { "$schema",                                                        LINT_ASIDE,        ""                                         },
    { NULL,                                                             LINT_ASIDE,        NULL                                       },
};
static const struct foreign_key request_keys[] = {
    {"model",         LINT_EXACT, ""  },
    { "fallbacks.**", LINT_EXACT, ""  },
    { "*.**",         LINT_ASIDE, ""  },
    { NULL,           LINT_ASIDE, NULL},
};
/* clang-format on */

static void default_target(struct plan_node *t, bool many_keys)
{
    static const int again[] = { 429, 500, 502, 503, 504 };

    t->when = (struct plan_when){ .kinds = PLAN_KINDS_EARLY, .set = true };
    t->retry.count = plan_default(0);
    t->retry.on = (struct plan_when){
        .kinds = PLAN_KIND(CONNECT) | PLAN_KIND(HEAD) | PLAN_KIND(FIRST_TOKEN),
        .set = true,
    };
    for (size_t i = 0; i < ARRAY_LEN(again); i++)
        plan_when_add_status(&t->retry.on, again[i]);
    if (many_keys) /* another key may be let in */
        plan_when_add_statuses(&t->retry.on, 401, 403);
    t->retry.backoff = (struct plan_backoff){
        .base = plan_default(500 * MS),
        .cap = plan_default(5000 * MS),
        .factor_percent = 200,
        .spread_percent = 20,
        .cap_is_last = true,
    };
    t->attempt.of[PLAN_TIMER_HEAD] = plan_default(DEFAULT_REQUEST_US);
    t->attempt.of[PLAN_TIMER_WHOLE] = plan_default(DEFAULT_REQUEST_US);
    t->attempt.of[PLAN_TIMER_IDLE] = plan_default(DEFAULT_IDLE_US);
}

/* The target of a provider; model is "" unless the call names one. */
static struct plan_node *target_of(struct foreign *f, const struct yaml_node *provider,
                                   struct str name, const struct yaml_node *at)
{
    const struct yaml_node *network = NULL, *list = NULL;
    struct plan_node *t = foreign_node(f, PLAN_TARGET, name, at);

    if (!t)
        return NULL;
    t->upstream = t->name;
    if (provider && (foreign_get(f, provider, "network_config", YAML_MAP, &network) < 0 ||
                     foreign_get(f, provider, "keys", YAML_LIST, &list) < 0))
        return NULL;
    default_target(t, list && list->len > 1);
    struct plan_value *head = &t->attempt.of[PLAN_TIMER_HEAD];
    if (foreign_count(f, yaml_get(network, "max_retries"), PLAN_ATTEMPTS_MAX, &t->retry.count) <
            0 ||
        foreign_time(f, yaml_get(network, "retry_backoff_initial"), MS, &t->retry.backoff.base) <
            0 ||
        foreign_time(f, yaml_get(network, "retry_backoff_max"), MS, &t->retry.backoff.cap) < 0 ||
        foreign_time(f, yaml_get(network, "default_request_timeout_in_seconds"), US_PER_SECOND,
                     head) < 0 ||
        foreign_time(f, yaml_get(network, "stream_idle_timeout_in_seconds"), US_PER_SECOND,
                     &t->attempt.of[PLAN_TIMER_IDLE]) < 0)
        return NULL;
    t->attempt.of[PLAN_TIMER_WHOLE] = *head;
    return t;
}

static int add_providers(struct foreign *f, const struct yaml_node *providers)
{
    for (const struct yaml_node *n = providers ? providers->items : NULL; n; n = n->next) {
        struct plan_route *r = plan_add_route(f->plan, n->key->text, foreign_key_at(f, n));
        r->root = target_of(f, n, n->key->text, n->key);
        if (!r->root)
            return -1;
    }
    return 0;
}

/* Heaviest first, then as in the file. */
static int compare_weights(const void *a, const void *b)
{
    const struct plan_node *x = *(struct plan_node *const *)a, *y = *(struct plan_node *const *)b;

    if (x->weight.n != y->weight.n)
        return x->weight.n > y->weight.n ? -1 : 1;
    return x->at.line != y->at.line ? (x->at.line < y->at.line ? -1 : 1)
                                    : (x->at.column < y->at.column ? -1 : 1);
}

static int check_empty(struct foreign *f, const struct yaml_node *map, const char *key)
{
    const struct yaml_node *list;

    if (foreign_get(f, map, key, YAML_LIST, &list) < 0)
        return -1;
    if (list && !list->len)
        lint_find(f->lint, LINT_DENY_ALL, foreign_key_at(f, list), "%s is empty", key);
    return 0;
}

static int add_config(struct foreign *f, const struct yaml_node *providers,
                      const struct yaml_node *n, struct plan_node **ret)
{
    struct str name = foreign_text(n, "provider");
    char text[128];

    *ret = NULL;
    if (n->kind != YAML_MAP || !name.len || name.len >= sizeof(text))
        return yaml_err(f->y, n, f->err, "expected a provider's part of a key ({provider: ...})");
    if (check_empty(f, n, "allowed_models") < 0)
        return -1;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    const struct yaml_node *provider = yaml_get(providers, text);
    if (!provider) {
        lint_find(f->lint, LINT_UNKNOWN_PROVIDER, foreign_at(f, yaml_get(n, "provider")),
                  "'%s' is not among the providers: every call that it gets fails", text);
    }
    *ret = target_of(f, provider, name, n);
    if (!*ret)
        return -1;
    (*ret)->weight = plan_default(0); /* null: no share, a fallback all the same */
    return foreign_weight(f, yaml_get(n, "weight"), &(*ret)->weight);
}

static int add_key(struct foreign *f, const struct yaml_node *providers, const struct yaml_node *n)
{
    VEC(struct plan_node *) sorted = { 0 };
    const struct yaml_node *configs;
    int result = -1;

    if (foreign_get(f, n, "provider_configs", YAML_LIST, &configs) < 0 ||
        check_empty(f, n, "provider_configs") < 0)
        return -1;
    if (!configs || !configs->len)
        return 0;
    struct str name = foreign_text(n, "name");
    struct plan_route *r =
        plan_add_route(f->plan, name.len ? name : STR("virtual key"), foreign_at(f, n));
    r->root = foreign_node(f, PLAN_FALLBACK, r->name, n);
    if (!r->root)
        return -1;
    for (const struct yaml_node *i = configs->items; i; i = i->next) {
        struct plan_node *t;
        if (add_config(f, providers, i, &t) < 0)
            goto out;
        vec_push(&sorted, t);
    }
    qsort(sorted.ptr, sorted.len, sizeof(*sorted.ptr), compare_weights);
    for (size_t i = 0; i < sorted.len; i++)
        plan_node_add(r->root, sorted.ptr[i]);
    result = 0;
out:
    vec_release(&sorted);
    return result;
}

/* {"model": "provider/model", "fallbacks": ["provider/model", ...]}: the settings of the providers
 * are in another file, their defaults are taken. */
static int read_request(struct foreign *f, const struct yaml_node *root)
{
    const struct yaml_node *list, *model = yaml_get(root, "model");
    struct str text;

    if (foreign_get(f, root, "fallbacks", YAML_LIST, &list) < 0 ||
        yaml_str(f->y, model, &text, f->err) < 0)
        return -1;
    struct plan_route *r = plan_add_route(f->plan, STR("request"), foreign_at(f, root));
    r->root = foreign_node(f, PLAN_FALLBACK, r->name, root);
    struct plan_node *first = r->root ? target_of(f, NULL, text, model) : NULL;
    if (!first)
        return -1;
    plan_node_add(r->root, first);
    for (const struct yaml_node *i = list ? list->items : NULL; i; i = i->next) {
        if (yaml_str(f->y, i, &text, f->err) < 0)
            return -1;
        struct plan_node *t = target_of(f, NULL, text, i);
        if (!t)
            return -1;
        plan_node_add(r->root, t);
    }
    foreign_account(f, root, request_keys);
    return 0;
}

int foreign_read_bifrost(struct foreign *f)
{
    const struct yaml_node *root = yaml_root(f->y), *providers, *governance, *list;

    if (yaml_get(root, "fallbacks"))
        return read_request(f, root);
    if (foreign_get(f, root, "providers", YAML_MAP, &providers) < 0 ||
        foreign_get(f, root, "governance", YAML_MAP, &governance) < 0 ||
        foreign_get(f, governance, "virtual_keys", YAML_LIST, &list) < 0 ||
        add_providers(f, providers) < 0)
        return -1;
    for (const struct yaml_node *n = list ? list->items : NULL; n; n = n->next)
        if (add_key(f, providers, n) < 0)
            return -1;
    foreign_account(f, root, keys);
    return 0;
}
