#include "config.h"

#include "replay/caller.h"

#include "base/timestamp.h"

#define SDK(name_)                                                                                 \
    {                                                                                              \
        .name = name_, .retries = 2, .timeout_us = 600 * US_PER_SECOND,                            \
        .base_us = US_PER_SECOND / 2, .cap_us = 8 * US_PER_SECOND, .jitter_percent = 25,           \
        .retry_after_longest_us = 60 * US_PER_SECOND                                               \
    }

const struct caller callers[] = {
    {.name = "none", .timeout_us = 600 * US_PER_SECOND },
    SDK("openai"),
    SDK("anthropic"),
    { .name = NULL            },
};

const struct caller *caller_find(struct str name)
{
    for (const struct caller *c = callers; c->name; c++)
        if (str_eq(name, str_from(c->name)))
            return c;
    return NULL;
}

static bool is_worth_another(const struct steer_end *end)
{
    if (end->answer_began)
        return false;
    if (end->should_retry_set)
        return end->should_retry;
    if (!end->status)
        return true; /* a lost connection, or a timer */
    return end->status == 408 || end->status == 409 || end->status == 429 || end->status >= 500;
}

int64_t caller_wait_us(const struct caller *c, unsigned n, const struct steer_end *end,
                       uint64_t seed)
{
    int64_t wait = c->base_us;

    if (!end->failed || n >= c->retries || !is_worth_another(end))
        return -1;
    if (end->retry_after_us > 0 && end->retry_after_us <= c->retry_after_longest_us)
        return end->retry_after_us;
    for (unsigned i = 0; i < n && wait < c->cap_us; i++)
        wait *= 2;
    if (wait > c->cap_us)
        wait = c->cap_us;
    uint64_t chance = policy_key(&n, sizeof(n), seed) >> 32;
    return wait - (int64_t)((uint64_t)wait * c->jitter_percent / 100 * chance >> 32);
}
