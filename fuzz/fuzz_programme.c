/* A plan over arbitrary bytes: refused with a place, or read and held to its rules. */
#include "config.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/timestamp.h"
#include "migrate/programme_lint.h"
#include "migrate/programme_lint_print.h"
#include "migrate/rollout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What every user of a plan relies on. */
static void check_app(const struct programme *p, const struct programme_app *a)
{
    assert(programme_find_app(p, a->name) == a);
    assert(a->retired || a->actuator);
    assert(a->gate_count > 0 && a->gate_count <= PROGRAMME_GATES);
    assert(a->stage_count > 0 && a->stages[a->stage_count - 1].share == ROLLOUT_ALL);
    for (size_t i = 0; i < a->stage_count; i++) {
        assert(a->stages[i].share > (i ? a->stages[i - 1].share : 0));
        assert(a->stages[i].bake_us >= 0);
    }
    for (size_t i = 0; i < a->gate_count; i++) {
        double alpha = programme_alpha(p, (size_t)i, a, &a->gates[i]);
        assert(alpha > 0 && alpha < 1 && a->gates[i].beta > 0 && a->gates[i].beta < 1);
        assert(a->gates[i].safe_ratio > a->gates[i].harm_ratio && a->gates[i].harm_ratio >= 1);
    }
    for (size_t i = 0; i < a->needs.len; i++)
        assert(programme_find_app(p, a->needs.list[i]));
}

/* One application that the corpus names, with calls that fail and calls that stream. */
static void see(struct inventory *seen)
{
    struct inventory_app *a = mem_calloc(1, sizeof(*a));

    a->name = STR("bot");
    a->owner = a->team = a->environment = STR("");
    a->requests = seen->requests = 100000;
    a->errors = 500;
    a->streams = 50000;
    a->cost_pusd = seen->cost_pusd = 1000000;
    a->last_us = 30 * US_PER_DAY;
    sketch_add(&a->duration_us, 1000000);
    vec_push(&seen->apps, a);
    map_put(&seen->by_name, a->name, NULL)->ptr = a;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(programme_free) struct programme *p = NULL;
    CLEANUP(programme_lint_release) struct programme_lint l = { 0 };
    CLEANUP(inventory_release) struct inventory seen = { 0 };
    CLEANUP(buf_release) struct buf out = { 0 };
    struct str text = { (const char *)data, size };
    struct err err = { 0 };

    if (programme_parse(text, "f", "d", &p, &err) < 0) {
        assert(strncmp(err.text, "f", 1) == 0);
        return 0;
    }
    for (size_t i = 0; i < p->app_count; i++)
        check_app(p, &p->apps[i]);
    programme_frozen(p, p->start_us);
    see(&seen);
    programme_lint(p, &seen, NULL, &l);
    for (size_t i = 0; i < l.findings.len; i++)
        assert(l.findings.ptr[i].text.len);
    programme_lint_print_text(p, &l, &out);
    programme_lint_print_json(p, &l, &out);
    return 0;
}
