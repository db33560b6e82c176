/* TensorZero: a TOML file of models, each a list of providers, and functions with variants.
 *
 * As its documentation of April 2026 says: a variant repeats the whole list of its model's
 * providers, between which nothing waits; every error counts.  Candidates are drawn by weight until
 * none is left, then the fallback variants come in order.
 */
#include "config.h"

#include "base/buf.h"
#include "base/timestamp.h"
#include "replay/foreign_read.h"

#define MS                INT64_C(1000)
#define DEFAULT_GLOBAL_US (900 * US_PER_SECOND)
#define DEFAULT_DELAY_US  (10 * US_PER_SECOND)

#define TIMEOUTS(at)                                                                               \
    { at ".timeouts.non_streaming.total_ms", LINT_EXACT, "" },                                     \
        { at ".timeouts.streaming.ttft_ms", LINT_EXACT, "" },                                      \
    {                                                                                              \
        at ".timeouts.streaming.total_ms", LINT_EXACT, ""                                          \
    }

/* clang-format off: one a line */
static const struct foreign_key keys[] = {
    {"models.*.routing.**",                                LINT_EXACT,        ""                                     },
    TIMEOUTS("models.*"),
    TIMEOUTS("models.*.providers.*"),
    { "models.*.providers.*.timeouts.**",                  LINT_UNSUPPORTED,  "not a timeout that is known here"     },
    { "models.*.providers.*.type",                         LINT_EXACT,        ""                                     },
    { "models.*.providers.*.model_name",                   LINT_EXACT,        ""                                     },
    { "models.*.providers.*.cost.**",                      LINT_UNSUPPORTED,  "prices come from the price book"      },
    { "models.*.providers.*.**",                           LINT_ASIDE,        ""                                     },
    { "models.*.skip_relay",                               LINT_ASIDE,        ""                                     },
    { "functions.*.variants.*.model",                      LINT_EXACT,        ""                                     },
    { "functions.*.variants.*.weight",                     LINT_APPROXIMATED,
     "every variant is taken to be drawn at some time"                                                               },
    { "functions.*.variants.*.retries.num_retries",        LINT_EXACT,        ""                                     },
    { "functions.*.variants.*.retries.max_delay_s",        LINT_EXACT,        ""                                     },
    TIMEOUTS("functions.*.variants.*"),
    { "functions.*.variants.*.timeouts.**",                LINT_UNSUPPORTED,  "not a timeout that is known here"     },
    { "functions.*.variants.*.**",                         LINT_ASIDE,        ""                                     },
    { "functions.*.experimentation.type",                  LINT_APPROXIMATED, "every candidate may come first"       },
    { "functions.*.experimentation.candidate_variants.**", LINT_EXACT,        ""                                     },
    { "functions.*.experimentation.fallback_variants.**",  LINT_EXACT,        ""                                     },
    { "functions.*.experimentation.**",                    LINT_UNSUPPORTED,  "depends on what happens while it runs"},
    { "functions.*.**",                                    LINT_ASIDE,        ""                                     },
    { "gateway.global_outbound_http_timeout_ms",           LINT_EXACT,        ""                                     },
    { "gateway.**",                                        LINT_ASIDE,        ""                                     },
    { "rate_limiting.**",                                  LINT_UNSUPPORTED,  "limits are not modelled"              },
    { "tools.**",                                          LINT_ASIDE,        ""                                     },
    { "metrics.**",                                        LINT_ASIDE,        ""                                     },
    { "evaluations.**",                                    LINT_ASIDE,        ""                                     },
    { "embedding_models.**",                               LINT_UNSUPPORTED,  "embeddings are not modelled"          },
    { "object_storage.**",                                 LINT_ASIDE,        ""                                     },
    { "provider_types.**",                                 LINT_ASIDE,        ""                                     },
    { "postgres.**",                                       LINT_ASIDE,        ""                                     },
    { "clickhouse.**",                                     LINT_ASIDE,        ""                                     },
    { NULL,                                                LINT_ASIDE,        NULL                                   },
};
/* clang-format on */

struct tensorzero {
    struct foreign *f;
    const struct yaml_node *models;
    struct plan_value global;
};

static int read_timeouts(struct foreign *f, const struct yaml_node *n, struct plan_timeouts *ret)
{
    const struct yaml_node *timeouts, *plain, *stream;

    if (foreign_get(f, n, "timeouts", YAML_MAP, &timeouts) < 0 ||
        foreign_get(f, timeouts, "non_streaming", YAML_MAP, &plain) < 0 ||
        foreign_get(f, timeouts, "streaming", YAML_MAP, &stream) < 0)
        return -1;
    if (foreign_time(f, yaml_get(plain, "total_ms"), MS, &ret->of[PLAN_TIMER_WHOLE]) < 0 ||
        foreign_time(f, yaml_get(stream, "ttft_ms"), MS, &ret->of[PLAN_TIMER_FIRST_TOKEN]) < 0)
        return -1;
    return foreign_time(f, yaml_get(stream, "total_ms"), MS, &ret->of[PLAN_TIMER_TOTAL]);
}

static const struct yaml_node *member(const struct yaml_node *map, struct str key)
{
    for (const struct yaml_node *n = map ? map->items : NULL; n; n = n->next)
        if (n->key && str_eq(n->key->text, key))
            return n;
    return NULL;
}

static const struct plan_when any_error = { .kinds = PLAN_KINDS_EARLY, .set = true };

static struct plan_node *target_of(struct tensorzero *t, struct str name,
                                   const struct yaml_node *provider, const struct yaml_node *at)
{
    struct plan_node *target = foreign_node(t->f, PLAN_TARGET, name, at);

    if (!target)
        return NULL;
    target->upstream = target->name;
    target->when = any_error;
    target->attempt.of[PLAN_TIMER_WHOLE] = t->global;
    target->attempt.of[PLAN_TIMER_TOTAL] = t->global;
    return provider && read_timeouts(t->f, provider, &target->attempt) < 0 ? NULL : target;
}

/* Every provider is listed once, and every one listed is there. */
static int check_routing(struct tensorzero *t, const struct yaml_node *model,
                         const struct yaml_node *routing, const struct yaml_node *providers)
{
    struct str name;

    for (const struct yaml_node *i = routing->items; i; i = i->next) {
        if (yaml_str(t->f->y, i, &name, t->f->err) < 0)
            return -1;
        if (!member(providers, name))
            lint_find(t->f->lint, LINT_ROUTING_MISMATCH, foreign_at(t->f, i),
                      "model '%.*s' has no provider '%.*s'", STR_ARG(model->key->text),
                      STR_ARG(name));
        for (const struct yaml_node *j = routing->items; j != i; j = j->next)
            if (str_eq(j->text, name))
                lint_find(t->f->lint, LINT_ROUTING_MISMATCH, foreign_at(t->f, i),
                          "provider '%.*s' is listed twice", STR_ARG(name));
    }
    for (const struct yaml_node *p = providers ? providers->items : NULL; p; p = p->next) {
        const struct yaml_node *i = routing->items;
        while (i && !str_eq(i->text, p->key->text))
            i = i->next;
        if (!i)
            lint_find(t->f->lint, LINT_ROUTING_MISMATCH, foreign_key_at(t->f, p),
                      "provider '%.*s' is not in the routing of model '%.*s': it is never tried",
                      STR_ARG(p->key->text), STR_ARG(model->key->text));
    }
    return 0;
}

/* One pass over a model's providers. */
static struct plan_node *build_model(struct tensorzero *t, const struct yaml_node *model,
                                     bool check)
{
    const struct yaml_node *routing, *providers;

    if (model->kind != YAML_MAP) {
        yaml_err(t->f->y, model, t->f->err, "expected a model ([models.NAME])");
        return NULL;
    }
    if (foreign_get(t->f, model, "routing", YAML_LIST, &routing) < 0 ||
        foreign_get(t->f, model, "providers", YAML_MAP, &providers) < 0)
        return NULL;
    if (!routing || !routing->len || routing->len > 1000) {
        yaml_err(t->f->y, model->key, t->f->err,
                 "model '%.*s' needs routing, a list of 1 to 1000 providers",
                 STR_ARG(model->key->text));
        return NULL;
    }
    if (check && check_routing(t, model, routing, providers) < 0)
        return NULL;
    struct plan_node *list = foreign_node(t->f, PLAN_FALLBACK, model->key->text, model->key);
    if (!list || read_timeouts(t->f, model, &list->span) < 0)
        return NULL;
    for (const struct yaml_node *i = routing->items; i; i = i->next) {
        CLEANUP(buf_release) struct buf name = { 0 };
        buf_addf(&name, "%.*s/%.*s", STR_ARG(model->key->text), STR_ARG(i->text));
        struct plan_node *target = target_of(t, buf_str(&name), member(providers, i->text), i);
        if (!target)
            return NULL;
        plan_node_add(list, target);
    }
    return list;
}

static int read_retries(struct tensorzero *t, const struct yaml_node *variant,
                        struct plan_retry *ret)
{
    const struct yaml_node *n;

    if (foreign_get(t->f, variant, "retries", YAML_MAP, &n) < 0)
        return -1;
    ret->on = any_error;
    ret->backoff = (struct plan_backoff){
        .base = plan_default(US_PER_SECOND),
        .cap = plan_default(DEFAULT_DELAY_US),
        .factor_percent = 200,
        .jitter_percent = 100,
    };
    if (foreign_count(t->f, yaml_get(n, "num_retries"), PLAN_ATTEMPTS_MAX, &ret->count) < 0 ||
        foreign_time(t->f, yaml_get(n, "max_delay_s"), US_PER_SECOND, &ret->backoff.cap) < 0)
        return -1;
    if (ret->count.n > 0)
        lint_find(t->f->lint, LINT_RETRIES_400, ret->count.at,
                  "%lld repetitions, of what answers 400 as well", (long long)ret->count.n);
    return 0;
}

static struct plan_node *build_variant(struct tensorzero *t, const struct yaml_node *variant)
{
    struct foreign *f = t->f;
    const struct yaml_node *model = yaml_get(variant, "model");
    struct plan_node *node = foreign_node(f, PLAN_FALLBACK, variant->key->text, variant->key);
    struct str name = STR("(no model)");

    if (!node || (model && yaml_str(f->y, model, &name, f->err) < 0))
        return NULL;
    node->when = any_error;
    if (read_retries(t, variant, &node->retry) < 0 || read_timeouts(f, variant, &node->span) < 0)
        return NULL;
    const struct yaml_node *known = member(t->models, name);
    if (model && !known && str_find(name, STR("::"), 0) < 0)
        lint_find(f->lint, LINT_FALLBACK_UNKNOWN, foreign_at(f, model), "there is no model '%.*s'",
                  STR_ARG(name));
    struct plan_node *below = known ? build_model(t, known, false)
                                    : target_of(t, name, NULL, model ? model : variant->key);
    if (!below)
        return NULL;
    plan_node_add(node, below);
    return node;
}

/* Adds the variant that a list names; share_set: it is one of those that are drawn. */
static int add_variant(struct tensorzero *t, struct plan_node *to, const struct yaml_node *variants,
                       const struct yaml_node *name_node, const struct yaml_node *share)
{
    struct str name = name_node->text;
    const struct yaml_node *variant = member(variants, name);

    if (!variant || variant->kind != YAML_MAP) {
        lint_find(t->f->lint, LINT_UNKNOWN_VARIANT, foreign_at(t->f, name_node),
                  "the function has no variant '%.*s'", STR_ARG(name));
        return 0;
    }
    struct plan_node *node = build_variant(t, variant);
    if (!node)
        return -1;
    plan_node_add(to, node);
    if (!share)
        return 0;
    node->weight = plan_default(1000000);
    return share->kind == YAML_SCALAR && share != name_node
               ? foreign_weight(t->f, share, &node->weight)
               : 0;
}

/* Candidates are a list or a map with weights; without any, all variants are. */
static int add_variants(struct tensorzero *t, struct plan_node *to,
                        const struct yaml_node *variants, const struct yaml_node *experiment)
{
    const struct yaml_node *drawn = yaml_get(experiment, "candidate_variants"), *then;

    if (foreign_get(t->f, experiment, "fallback_variants", YAML_LIST, &then) < 0)
        return -1;
    if (!drawn && !then)
        drawn = variants;
    for (const struct yaml_node *i = drawn ? drawn->items : NULL; i; i = i->next)
        if (add_variant(t, to, variants, i->key ? i->key : i, i) < 0)
            return -1;
    for (const struct yaml_node *i = then ? then->items : NULL; i; i = i->next) {
        if (add_variant(t, to, variants, i, NULL) < 0)
            return -1;
    }
    return 0;
}

static int add_function(struct tensorzero *t, const struct yaml_node *n)
{
    const struct yaml_node *variants, *experiment;

    if (foreign_get(t->f, n, "variants", YAML_MAP, &variants) < 0 ||
        foreign_get(t->f, n, "experimentation", YAML_MAP, &experiment) < 0)
        return -1;
    struct plan_node *root = foreign_node(t->f, PLAN_FALLBACK, n->key->text, n->key);
    if (!root)
        return -1;
    root->any_order = true;
    if (add_variants(t, root, variants, experiment) < 0)
        return -1;
    if (root->len)
        plan_add_route(t->f->plan, n->key->text, foreign_key_at(t->f, n))->root = root;
    return 0;
}

int foreign_read_tensorzero(struct foreign *f)
{
    struct tensorzero t = { .f = f, .global = plan_default(DEFAULT_GLOBAL_US) };
    const struct yaml_node *root = yaml_root(f->y), *functions, *gateway;

    if (foreign_get(f, root, "models", YAML_MAP, &t.models) < 0 ||
        foreign_get(f, root, "functions", YAML_MAP, &functions) < 0 ||
        foreign_get(f, root, "gateway", YAML_MAP, &gateway) < 0 ||
        foreign_time(f, yaml_get(gateway, "global_outbound_http_timeout_ms"), MS, &t.global) < 0)
        return -1;
    for (const struct yaml_node *n = functions ? functions->items : NULL; n; n = n->next)
        if (add_function(&t, n) < 0)
            return -1;
    for (const struct yaml_node *n = t.models ? t.models->items : NULL; n; n = n->next) {
        struct plan_node *model = build_model(&t, n, true);
        if (!model)
            return -1;
        plan_add_route(f->plan, n->key->text, foreign_key_at(f, n))->root = model;
    }
    foreign_account(f, root, keys);
    return 0;
}
