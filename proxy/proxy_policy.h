/* proxy_policy - the section `policy:` made ready to decide by, once per configuration and process.
 */
#ifndef PROXY_PROXY_POLICY_H
#define PROXY_PROXY_POLICY_H

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "llm/price.h"
#include "llm/recognise.h"
#include "policy/plan.h"
#include "policy/policy.h"
#include "policy/rules.h"

struct proxy_conf;
struct proxy_upstream;
struct yaml;

/* Where something is counted (proxy/shared_state): found by names once, then by these. */
#define PROXY_COUNTERS 64 /* remembered; a power of two */
struct proxy_counter {
    const void *about; /* a rule or an upstream of this configuration; NULL = free */
    uint32_t words, counter;
};
/* The same of attempts.  begin: exchange_attempt's, of those without a model of their own, if it
 * fits. */
struct proxy_tried {
    struct proxy_counter as;
    uint8_t begin_len;
    char begin[111];
};

/* A decision about where a call goes, as it was made before: most calls have the same. */
#define PROXY_SAID 64 /* remembered, those that came first; a power of two */
struct proxy_said {
    struct policy_decision made; /* whenever */
    uint32_t counter;
    struct str json; /* exchange_decision's; ptr NULL = free */
};

struct proxy_policy {
    struct price_book *book;    /* NULL = no budget asks for it */
    struct price_cache *prices; /* of book */
    struct policy *policy;
    struct policy_cache *cache;
    /* What any of its rules asks for; nothing is read of a body that none asks for. */
    bool asks_model; /* access, patterns over models, targets with a model of their own, budgets */
    bool enforces;   /* a rule of it is in mode enforce: else bodies are not held */
    bool is_of_one_mode;                     /* no application has a mode of its own */
    const struct proxy_upstream **upstreams; /* of its targets, by number */
    struct proxy_recognised *recognised;
    uint64_t recognised_anew;   /* how often: while it stays the same, what was returned is valid */
    struct call_facts *facts;   /* what the answer of one call is read into */
    struct cost_shapes *shapes; /* of answers read before */
    struct proxy_counter counters[PROXY_COUNTERS];
    struct proxy_tried tried[PROXY_COUNTERS];
    struct proxy_said said[PROXY_SAID];
    struct arena said_texts;
};

/* Reads the section into c->plan and checks it against the upstreams; the plan stays NULL without
 * such a section.  name is the file's. */
int proxy_policy_read(struct proxy_conf *c, const struct yaml *y, const char *name,
                      struct err *err);
/* Compiles c's plan, if it has one, into c->policy.  prices: the shipped price book's folder; NULL
 * = there is none. */
int proxy_policy_make(struct proxy_conf *c, const char *prices, struct err *err);
/* What API a call to u is of; path is without the query.  Few paths are called often: what was
 * found last is remembered.  *ret_path_asks (may be NULL): whether the path says something of the
 * model, or asks for a stream (proxy/asked). */
const struct recognition *proxy_policy_recognise(struct proxy_policy *p,
                                                 const struct proxy_upstream *u, struct str method,
                                                 struct str path, bool *ret_path_asks);
void proxy_policy_free(struct proxy_policy *p);
DEFINE_CLEANUP(struct proxy_policy, proxy_policy_free)

#endif
