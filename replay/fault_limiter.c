#include "config.h"

#include "replay/fault_limiter.h"

#define MILLION INT64_C(1000000)

/* How much of a bucket comes back in a time, in millionths; at most all of it. */
static int64_t filled(int64_t limit, int64_t per_us, int64_t elapsed_us)
{
    if (elapsed_us >= 2 * per_us)
        return 2 * limit * MILLION;
    return (int64_t)((i128)elapsed_us * limit * MILLION / per_us);
}

static int64_t less(int64_t used, int64_t back)
{
    return used > back ? used - back : 0;
}

static struct fault_limiter at_time(const struct fault_limiter *l, const struct fault *quota,
                                    int64_t at_us)
{
    struct fault_limiter now = *l;

    if (at_us <= l->at_us)
        return now;
    if (quota->requests)
        now.requests_used = less(now.requests_used,
                                 filled(quota->requests, quota->requests_per_us, at_us - l->at_us));
    if (quota->tokens)
        now.tokens_used =
            less(now.tokens_used, filled(quota->tokens, quota->tokens_per_us, at_us - l->at_us));
    now.at_us = at_us;
    return now;
}

/* A request larger than the whole bucket is taken for one as large. */
static int64_t wanted_tokens(const struct fault *quota, int64_t tokens)
{
    if (tokens < 0)
        return 0;
    return (tokens < quota->tokens ? tokens : quota->tokens) * MILLION;
}

static int64_t at_most(int64_t n, int64_t most)
{
    return n < most ? n : most;
}

bool fault_limiter_take(struct fault_limiter *l, const struct fault *quota, int64_t at_us,
                        int64_t tokens, bool refused_anyway)
{
    int64_t wanted = wanted_tokens(quota, tokens);

    *l = at_time(l, quota, at_us);
    bool fits = (!quota->requests || l->requests_used + MILLION <= quota->requests * MILLION) &&
                (!quota->tokens || l->tokens_used + wanted <= quota->tokens * MILLION);
    if ((fits && !refused_anyway) || quota->counts_failed) {
        l->requests_used = at_most(l->requests_used + MILLION, 2 * quota->requests * MILLION);
        l->tokens_used = at_most(l->tokens_used + wanted, 2 * quota->tokens * MILLION);
    }
    return fits;
}

/* Until so much of what is used has come back. */
static int64_t time_for(int64_t millionths, int64_t limit, int64_t per_us)
{
    if (millionths <= 0 || !limit)
        return 0;
    i128 whole = (i128)limit * MILLION;

    return (int64_t)(((i128)millionths * per_us + whole - 1) / whole);
}

static int64_t left_of(int64_t used, int64_t limit)
{
    return used >= limit * MILLION ? 0 : (limit * MILLION - used) / MILLION;
}

void fault_limiter_tell(const struct fault_limiter *l, const struct fault *quota, int64_t at_us,
                        int64_t tokens, struct fault_limit *ret, int64_t *ret_wait_us)
{
    struct fault_limiter now = at_time(l, quota, at_us);
    const int64_t requests = quota->requests, whole = requests * MILLION;
    int64_t for_requests =
        time_for(now.requests_used + MILLION - whole, requests, quota->requests_per_us);
    int64_t for_tokens =
        time_for(now.tokens_used + wanted_tokens(quota, tokens) - quota->tokens * MILLION,
                 quota->tokens, quota->tokens_per_us);

    *ret = (struct fault_limit){
        .requests = requests,
        .requests_left = left_of(now.requests_used, requests),
        .requests_reset_us = time_for(now.requests_used, requests, quota->requests_per_us),
        .tokens = quota->tokens,
        .tokens_left = left_of(now.tokens_used, quota->tokens),
        .tokens_reset_us = time_for(now.tokens_used, quota->tokens, quota->tokens_per_us),
        .is_tokens = for_tokens > for_requests,
    };
    if (ret_wait_us)
        *ret_wait_us = for_tokens > for_requests ? for_tokens : for_requests;
}
