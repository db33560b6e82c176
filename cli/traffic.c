#include "config.h"

#include "cli/traffic.h"

#include "base/timestamp.h"

static int read_results(const struct migration *m, struct traffic *t, struct err *err)
{
    static const char *const names[] = { "app", "arm", "day" };
    struct engine_query q = {
        .ledgers = &t->ledgers,
        .book = m->prices,
        .from_us = t->from_us,
        .to_us = t->to_us,
        .dimensions = t->dimensions,
        .dimension_count = 2,
        .measures = ARMS_MEASURES,
        .threads = 2,
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (dimension_new(str_from(names[i]), m->programme->zone, &t->dimensions[i], err) < 0)
            return -1;
    if (engine_run(&q, &t->whole, err) < 0)
        return -1;
    if (!arms_has_gateway(&t->whole))
        return 0;
    q.dimension_count = ARRAY_LEN(names);
    q.measures = ENGINE_MONEY;
    return engine_run(&q, &t->days, err);
}

int traffic_read(const struct migration *m, struct traffic *ret, struct err *err)
{
    int64_t least_us = m->now_us - TRAFFIC_DAYS * US_PER_DAY;

    *ret = (struct traffic){ .from_us = m->programme->start_us, .to_us = m->now_us };
    if (ret->from_us > least_us)
        ret->from_us = least_us;
    if (ledgers_add_archive(&ret->ledgers, m->archive, ret->from_us, ret->to_us, err) < 0 ||
        read_results(m, ret, err) < 0)
        return err_wrap(err, "%s", m->programme->archive.ptr);
    arms_make(&ret->whole, &ret->days, &ret->arms);
    return 0;
}

void traffic_release(struct traffic *t)
{
    arms_release(&t->arms);
    engine_result_release(&t->whole);
    engine_result_release(&t->days);
    for (size_t i = 0; i < ARRAY_LEN(t->dimensions); i++)
        dimension_free(t->dimensions[i]);
    ledgers_release(&t->ledgers);
}
