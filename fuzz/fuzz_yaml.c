/* YAML over arbitrary bytes: parse, then read every node in every way. */
#include "config.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_node(const struct yaml *y, const struct yaml_node *n)
{
    static const char *const known[] = { "listen", "archive", NULL };
    struct str text;
    int64_t number;
    i128 decimal;
    bool flag;
    struct err err;
    size_t items = 0;

    assert(n->line > 0 && n->column > 0);
    if (yaml_str(y, n, &text, &err) < 0)
        assert(err.text[0]);
    if (yaml_int(y, n, &number, &err) == 0)
        assert(yaml_decimal(y, n, 0, &decimal, &err) == 0 && decimal == number);
    yaml_bool(y, n, &flag, &err);
    yaml_decimal(y, n, 12, &decimal, &err);
    if (n->kind == YAML_MAP)
        yaml_check_keys(y, n, known, &err);
    for (const struct yaml_node *item = n->items; item; item = item->next) {
        assert((item->key != NULL) == (n->kind == YAML_MAP));
        items++;
        read_node(y, item);
    }
    assert(items == n->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(yaml_free) struct yaml *y = NULL;
    struct err err = { 0 };

    if (yaml_parse((struct str){ (const char *)data, size }, "fuzz.yaml", &y, &err) < 0) {
        assert(err.text[0] && !y);
        return 0;
    }
    if (yaml_root(y))
        read_node(y, yaml_root(y));
    return 0;
}
