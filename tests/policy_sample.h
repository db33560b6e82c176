/* policy_sample - policies from configurations in a line, for tests. */
#ifndef TESTS_POLICY_SAMPLE_H
#define TESTS_POLICY_SAMPLE_H

#include <check.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/yaml.h"
#include "policy/admit.h"
#include "policy/plan_conf.h"
#include "tests/price_sample.h"

struct policy_sample {
    struct yaml *yaml;
    struct plan *plan;
    struct price_book *book;
    struct policy *policy;
    struct policy_cache *cache;
    struct policy_state *state;
};

static inline void policy_sample_release(struct policy_sample *m)
{
    policy_cache_free(m->cache);
    policy_free(m->policy);
    price_book_free(m->book);
    plan_free(m->plan);
    yaml_free(m->yaml);
    free(m->state);
}
DEFINE_CLEANUP_VALUE(struct policy_sample, policy_sample_release)

#define POLICY_SAMPLE_UPSTREAMS                                                                    \
    "upstreams:\n"                                                                                 \
    "  openai: {url: 'https://api.openai.com', api: openai}\n"                                     \
    "  azure: {url: 'https://x.openai.azure.com', api: azure_openai}\n"                            \
    "  local: {url: 'http://localhost:9000', api: openai}\n"

/* 1000 and 2000 nusd a token; the same with a cache that is dearer to write; dearer behind 1000
 * tokens; no whole number of pusd; another price from 2026-02-01 on. */
#define POLICY_SAMPLE_PRICES                                                                       \
    "format: weir-prices/1\n"                                                                      \
    "provider: openai\n"                                                                           \
    "sources: {s: {title: made up}}\n"                                                             \
    "entries:\n"                                                                                   \
    "  - {id: unit, source: s, checked: 2026-01-01, per_million: {input: \"1\", output: \"2\"}}\n" \
    "  - {id: written, source: s, checked: 2026-01-01,\n"                                          \
    "     per_million: {input: \"1\", cache_write_5m: \"1.25\", cache_write_1h: \"2\",\n"          \
    "       output: \"2\", reasoning: \"3\"}, per_thousand: {requests: \"5\"}}\n"                  \
    "  - {id: long, source: s, checked: 2026-01-01, per_million: {input: \"1\", output: \"2\"},\n" \
    "     long: [{above: 1000, per_million: {input: \"4\", output: \"8\"}}]}\n"                    \
    "  - {id: odd, source: s, checked: 2026-01-01,\n"                                              \
    "     per_million: {input: \"0.0000015\", output: \"0.3333333\"}}\n"                           \
    "  - id: dated\n"                                                                              \
    "    source: s\n"                                                                              \
    "    checked: 2026-01-01\n"                                                                    \
    "    prices:\n"                                                                                \
    "      - {from: 2026-01-01, per_million: {input: \"1\", output: \"2\"}}\n"                     \
    "      - {from: 2026-02-01, per_million: {input: \"3\", output: \"6\"}}\n"

/* With prices if the test has a folder for them. */
static inline struct policy_sample policy_sample_make(const char *text)
{
    CLEANUP(buf_release) struct buf all = { 0 };
    struct policy_sample m = { .plan = plan_new("weir") };
    struct err err;

    buf_addf(&all, POLICY_SAMPLE_UPSTREAMS "%s", text);
    ck_assert_msg(yaml_parse(buf_str(&all), "p.yaml", &m.yaml, &err) == 0, "%s", err.text);
    ck_assert_msg(plan_conf_read(m.plan, m.yaml, STR("p.yaml"), &err) == 0, "%s", err.text);
    if (temp_folder[0])
        price_load(&m.book, "prices.yaml", POLICY_SAMPLE_PRICES);
    ck_assert_msg(policy_new(m.plan, m.book, &m.policy, &err) == 0, "%s", err.text);
    m.cache = policy_cache_new(m.policy);
    m.state = policy_state_new(1024);
    return m;
}

/* One call at the door. */
struct policy_try {
    struct policy_claims claims;
    struct policy_decisions notes;
    struct policy_admission said;
};

static inline void policy_try_at(struct policy_sample *m, const struct policy_subject *s,
                                 const struct policy_ask *ask, struct policy_try *ret)
{
    ret->notes = (struct policy_decisions){ 0 };
    policy_admit(m->policy, m->state, policy_resolve(m->cache, s), ask, &ret->claims, &ret->notes,
                 &ret->said);
}

static inline struct str policy_try_rule(const struct policy_sample *m, const struct policy_try *t)
{
    return t->said.rule == POLICY_NONE ? STR("") : policy_rule(m->policy, t->said.rule)->id;
}

#endif
