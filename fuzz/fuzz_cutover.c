/* Cutovers over arbitrary bytes: what is read is written and read again as the same, every entry is
 * found, and a caller's side follows the share alone. */
#include "config.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/cutover.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct cutover *a, const struct cutover *b)
{
    assert(a->epoch == b->epoch && str_eq(a->marker, b->marker) && a->app_count == b->app_count);
    for (size_t i = 0; i < a->app_count; i++) {
        const struct cutover_app *x = &a->apps[i], *y = &b->apps[i];
        assert(str_eq(x->app, y->app) && str_eq(x->direct, y->direct));
        assert(str_eq(x->gateway, y->gateway) && x->share == y->share);
        assert(x->key.kind == y->key.kind && str_eq(x->key.name, y->key.name));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(cutover_free) struct cutover *c = NULL, *again = NULL;
    CLEANUP(buf_release) struct buf text = { 0 }, twice = { 0 };
    struct err err = { 0 };

    if (cutover_parse((struct str){ (const char *)data, size }, "fuzz", &c, &err) < 0) {
        assert(err.text[0] && !c);
        return 0;
    }
    cutover_render(c->apps, c->app_count, c->epoch, c->marker, &text);
    assert(cutover_parse(buf_str(&text), "again", &again, &err) == 0);
    check_same(c, again);
    cutover_render(again->apps, again->app_count, again->epoch, again->marker, &twice);
    assert(str_eq(buf_str(&text), buf_str(&twice)));
    for (size_t i = 0; i < c->app_count; i++) {
        const struct cutover_app *a = &c->apps[i];
        assert(cutover_find(c, a->app, a->direct) == a);
        assert(a->share >= 0 && a->share <= CUTOVER_ALL);
        assert(cutover_bucket(a->app, a->gateway) < CUTOVER_ALL);
    }
    return 0;
}
