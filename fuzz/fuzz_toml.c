/* TOML over arbitrary bytes: a tree whose nodes know their places, or an error that says something.
 */
#include "config.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_node(const struct yaml_node *n, unsigned depth)
{
    size_t items = 0;

    assert(n->line > 0 && n->column > 0);
    assert(depth < 4 * YAML_DEPTH_MAX);
    for (const struct yaml_node *item = n->items; item; item = item->next) {
        assert((item->key != NULL) == (n->kind == YAML_MAP));
        items++;
        check_node(item, depth + 1);
    }
    assert(items == n->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(yaml_free) struct yaml *y = NULL;
    struct err err = { 0 };

    if (toml_parse((struct str){ (const char *)data, size }, "fuzz.toml", &y, &err) < 0) {
        assert(err.text[0] && !y);
        return 0;
    }
    check_node(yaml_root(y), 0);
    return 0;
}
