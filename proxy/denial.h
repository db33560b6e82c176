/* denial - a call that the policy refuses, in the words of the provider it was meant for.
 *
 * The provider's own client raises what it would raise there, and repeats only what can succeed:
 *
 *     access       403
 *     a limit      429, with retry-after and retry-after-ms (Gemini: RetryInfo in the body)
 *     a budget     429 without these, insufficient_quota or enforced_spend_limit_reached, and
 *                  x-should-retry: false; Bedrock: 400 ServiceQuotaExceededException, as its
 *                  clients repeat every 429
 *     no target    503, with retry-after if it is known when one is back
 */
#ifndef PROXY_DENIAL_H
#define PROXY_DENIAL_H

#include "base/buf.h"
#include "base/str.h"
#include "proxy/reply.h"

enum denial_kind {
    DENIAL_ACCESS,
    DENIAL_LIMIT,
    DENIAL_CONCURRENCY,
    DENIAL_BUDGET,
    DENIAL_UNAVAILABLE,
    DENIAL_UNREADABLE, /* a rule asks for the model, and it cannot be told */
    DENIAL_KINDS,
};

#define DENIAL_HEADERS 3

struct denial {
    struct reply reply; /* its headers are those below */
    struct http1_header headers[DENIAL_HEADERS];
    char seconds[24], milliseconds[24];
};

struct denial_why {
    enum denial_kind kind;
    struct str api;         /* of the upstream */
    struct str rule;        /* its id; "" = none */
    struct str model;       /* as asked for; may be empty */
    int64_t retry_after_us; /* 0 = not known */
};

/* ret must stay where it is as long as its reply is used. */
void denial_make(const struct denial_why *why, struct denial *ret, struct buf *body);

#endif
