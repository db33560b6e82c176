/* Scenarios over arbitrary bytes: read, then drawn from at every edge, scoped and not, and all that
 * is drawn injected into an answer. */
#include "config.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "replay/fault_inject.h"
#include "replay/fault_limiter.h"
#include "replay/scenario.h"
#include "replay/synth.h"

#define EDGES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum api apis[] = { API_CHAT, API_MESSAGES, API_CONVERSE, API_GENERATE_CONTENT };

static void inject(const struct fault *faults, size_t count, uint64_t number)
{
    struct call_facts facts = { .api = apis[number % ARRAY_LEN(apis)],
                                .stream = number / ARRAY_LEN(apis) % 2,
                                .model_requested = STR("m") };
    struct fault_setting setting = {
        .saying = {.dialect = fault_dialect(PROVIDER_UNKNOWN, facts.api),
                   .model = STR("m"),
                   .number = number},
        .is_stream = facts.stream,
        .speed = 1000,
        .seed = number,
    };
    CLEANUP(answer_unref)
    struct answer *a =
        fault_inject(synth_answer(&facts, STR("{}"), number), faults, count, &setting);
    size_t bytes = 0;

    for (size_t i = 0; i < a->chunk_count; i++)
        bytes += a->chunks[i].bytes;
    assert(bytes == a->body.len);
}

static void draw(struct scenario *s, int64_t at_us, uint64_t number)
{
    struct scenario_attempt a = {
        .at_us = at_us, .upstream = STR("a"), .is_stream = number / 4 % 2, .number = number
    };
    struct fault one[SCENARIO_DRAWN_MAX], two[SCENARIO_DRAWN_MAX];
    const struct scenario_scope *scope = scenario_scope_of(s, STR("a"), STR(""), STR(""));
    size_t count = scenario_draw(s, 1, &a, one);

    assert(scenario_draw_scoped(s, scope, 1, at_us, a.is_stream, number, two) == count);
    for (size_t i = 0; i < count; i++) {
        struct fault_limiter l = { 0 };
        struct fault_limit limit;
        int64_t wait_us;

        assert(one[i].index == two[i].index);
        if (one[i].kind->stage != FAULT_QUOTA)
            continue;
        fault_limiter_take(&l, &one[i], at_us, 1000, false);
        fault_limiter_tell(&l, &one[i], at_us, 1000, &limit, &wait_us);
        assert(wait_us >= 0);
    }
    inject(one, count, number);
    assert(scenario_load_micro(s, at_us, STR(""), STR("")) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(scenario_free) struct scenario *s = NULL;
    struct err err = { 0 };
    uint64_t number = 0;

    if (scenario_parse((struct str){ (const char *)data, size }, "fuzz", &s, &err) < 0) {
        assert(err.text[0] && !s);
        return 0;
    }
    for (int64_t at_us = 0; at_us >= 0 && number < EDGES_MAX;
         at_us = scenario_next_edge(s, at_us), number++)
        draw(s, at_us, number);
    return 0;
}
