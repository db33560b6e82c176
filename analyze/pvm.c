#include "config.h"

#include "analyze/pvm.h"

#include <assert.h>
#include <stdbool.h>

#include "llm/price.h"

#define RATE_FACTOR  100
#define DEAREST_PUSD (PUSD_PER_USD / 1000) /* a token: 1 USD per thousand */
#define WORTH_ASKING (PUSD_PER_USD / 10000)

/* a * n / d, rounded down, without overflow as long as the result has none. */
static i128 scale(i128 a, int64_t n, int64_t d)
{
    assert(n >= 0 && d > 0);
    return a / d * n + a % d * n / d;
}

static void split(struct pvm_segment *s, int64_t all0, int64_t all1)
{
    struct pvm_parts *p = &s->parts;

    *p = (struct pvm_parts){ 0 };
    if (s->q0 == 0 && s->c0 == 0 && s->q1 > 0) {
        p->new_pusd = s->c1;
        return;
    }
    if (s->q0 == 0 || (s->q1 == 0 && s->c1 != 0)) {
        p->other_pusd = s->c1 - s->c0;
        return;
    }
    i128 at_all = scale(s->c0, all1, all0), at_own = scale(s->c0, s->q1, s->q0);
    p->volume_pusd = at_all - s->c0;
    p->mix_pusd = at_own - at_all;
    p->rate_pusd = s->c1 - at_own;
    if (s->q1 == 0)
        p->lost_pusd = p->mix_pusd;
}

void pvm_run(struct pvm_segment *segments, size_t count, struct pvm_parts *ret)
{
    int64_t all0 = 0, all1 = 0;

    *ret = (struct pvm_parts){ 0 };
    for (size_t i = 0; i < count; i++) {
        all0 += segments[i].q0;
        all1 += segments[i].q1;
    }
    for (size_t i = 0; i < count; i++) {
        split(&segments[i], all0, all1);
        const struct pvm_parts *p = &segments[i].parts;
        ret->volume_pusd += p->volume_pusd;
        ret->mix_pusd += p->mix_pusd;
        ret->rate_pusd += p->rate_pusd;
        ret->new_pusd += p->new_pusd;
        ret->other_pusd += p->other_pusd;
        ret->lost_pusd += p->lost_pusd;
    }
}

i128 pvm_sum(const struct pvm_parts *p)
{
    return p->volume_pusd + p->mix_pusd + p->rate_pusd + p->new_pusd + p->other_pusd;
}

enum pvm_doubt pvm_doubt(const struct pvm_segment *s)
{
    i128 dearer = s->c0 > s->c1 ? s->c0 : s->c1;

    if (s->q1 <= 0 || dearer < WORTH_ASKING)
        return PVM_PLAUSIBLE;
    if (s->c1 / s->q1 > DEAREST_PUSD)
        return PVM_TOO_DEAR;
    if (s->q0 <= 0 || s->c0 <= 0 || s->c1 <= 0)
        return PVM_PLAUSIBLE;
    i128 at_old = scale(s->c0, s->q1, s->q0);
    if (s->c1 / RATE_FACTOR > at_old)
        return PVM_RATE_ROSE;
    return at_old / RATE_FACTOR > s->c1 ? PVM_RATE_FELL : PVM_PLAUSIBLE;
}
