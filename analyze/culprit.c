#include "config.h"

#include "analyze/culprit.h"

#include <stdlib.h>

static int compare(const void *a, const void *b, void *sign)
{
    const struct culprit *x = a, *y = b;
    i128 dx = (x->after - x->before) * *(int *)sign, dy = (y->after - y->before) * *(int *)sign;

    if (dx != dy)
        return dx < dy ? 1 : -1;
    return x->index < y->index ? -1 : x->index > y->index;
}

size_t culprit_rank(struct culprit *c, size_t count)
{
    i128 change = 0, sum = 0;
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        change += c[i].after - c[i].before;
    int sign = change < 0 ? -1 : 1;
    if (count)
        qsort_r(c, count, sizeof(*c), compare, &sign);
    /* 100 sum >= 80 change, in the direction of the change */
    while (change && n < count && sum * 100 < change * sign * CULPRIT_PERCENT) {
        sum += (c[n].after - c[n].before) * sign;
        n++;
    }
    return n;
}
