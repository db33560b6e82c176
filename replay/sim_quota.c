#include "config.h"

#include "replay/sim_quota.h"

#include <assert.h>
#include <stdlib.h>

#include "base/timestamp.h"

#define MINUTE_US (60 * US_PER_SECOND)
#define STATED    UINT32_MAX
#define MOST_MAX  INT64_C(1000000000000)

void sim_quotas_release(struct sim_quotas *q)
{
    for (size_t i = 0; i < q->levels.len; i++)
        free(q->levels.entries[i].ptr);
    map_release(&q->levels);
}

static int read_pair(struct str pair, const char *text, struct fault *ret, struct err *err)
{
    struct str name;
    int64_t n;

    str_split(&pair, ':', &name);
    bool is_requests = str_eq(name, STR("rpm"));
    if (!is_requests && !str_eq(name, STR("tpm")))
        return err_set(err, ERR_USAGE, "quota '%s': '%.*s' is neither rpm nor tpm", text,
                       STR_ARG(name));
    if (!str_to_i64(pair, &n) || n <= 0 || n > MOST_MAX)
        return err_set(err, ERR_USAGE, "quota '%s': '%.*s' is not a number above 0", text,
                       STR_ARG(pair));
    if (is_requests) {
        ret->requests = n;
        ret->requests_per_us = MINUTE_US;
    } else {
        ret->tokens = n;
        ret->tokens_per_us = MINUTE_US;
    }
    return 0;
}

int sim_quota_parse(const char *text, struct sim_quota *ret, struct err *err)
{
    struct str rest = str_from(text), target, pair;
    const struct fault_kind *kind = fault_kind_find(STR("quota"));

    assert(kind);
    *ret = (struct sim_quota){ .model = STR("*"), .fault = fault_usual(kind) };
    ret->fault.index = STATED;
    ret->fault.requests = ret->fault.tokens = 0;
    ret->fault.counts_failed = false; /* a scenario can say that they count */
    if (!str_split(&rest, '=', &target) || rest.len == 0)
        return err_set(err, ERR_USAGE, "quota '%s': write UPSTREAM[/MODEL]=rpm:600,tpm:1000000",
                       text);
    str_split(&target, '/', &ret->upstream);
    if (target.ptr)
        ret->model = target;
    while (rest.len) {
        str_split(&rest, ',', &pair);
        if (read_pair(pair, text, &ret->fault, err) < 0)
            return -1;
    }
    return 0;
}

static bool take(struct sim_quotas *q, const struct fault *f, const struct sim_quota_ask *ask,
                 int64_t *ret_wait_us)
{
    const uint32_t key[] = { ask->target, f->index };
    struct map_entry *e = map_put(&q->levels, (struct str){ (const char *)key, sizeof(key) }, NULL);
    struct fault_limit limit;

    if (!e->ptr)
        e->ptr = mem_calloc(1, sizeof(struct fault_limiter));
    if (fault_limiter_take(e->ptr, f, ask->now_us, ask->tokens, ask->refused_anyway))
        return true;
    fault_limiter_tell(e->ptr, f, ask->now_us, ask->tokens, &limit, ret_wait_us);
    return false;
}

const struct fault *sim_quotas_take(struct sim_quotas *q, const struct sim_quota_ask *ask,
                                    int64_t *ret_wait_us)
{
    if (ask->stated && !take(q, &ask->stated->fault, ask, ret_wait_us))
        return &ask->stated->fault;
    for (size_t i = 0; i < ask->fault_count; i++)
        if (ask->faults[i].kind->stage == FAULT_QUOTA &&
            !take(q, &ask->faults[i], ask, ret_wait_us))
            return &ask->faults[i];
    return NULL;
}
