/* The pull scanner over arbitrary bytes: walking and skipping must agree where both succeed, and
 * what Jansson accepts must pass. */
#include "config.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/jscan.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads everything, each scalar in every way that does not consume it first. */
static void walk(struct jscan *s, struct buf *scratch)
{
    struct str raw;
    int64_t number;
    bool flag;

    if (jscan_enter_object(s)) {
        while (jscan_next_member(s, &raw)) {
            jscan_unescape(raw, scratch);
            walk(s, scratch);
        }
    } else if (jscan_enter_array(s)) {
        while (jscan_next_element(s))
            walk(s, scratch);
    } else if (!jscan_string(s, scratch) && !jscan_bool(s, &flag)) {
        jscan_int(s, &number);
    }
    assert(s->at <= s->text.len && (!s->failed || s->failed_at <= s->text.len));
    buf_clear(scratch);
}

/* Enters the first container of each level and leaves it early. */
static void leave_early(struct jscan *s)
{
    if (jscan_enter_object(s)) {
        struct str key;
        if (jscan_next_member(s, &key))
            leave_early(s);
        if (s->depth > 0)
            jscan_leave(s);
    } else if (jscan_enter_array(s)) {
        if (jscan_next_element(s))
            leave_early(s);
        if (s->depth > 0)
            jscan_leave(s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_release) struct buf scratch = { 0 };
    CLEANUP(json_decref) json_t *tree = NULL;
    struct str text = { (const char *)data, size };
    struct jscan walked, skipped, left;
    struct err err;

    jscan_init(&walked, text);
    walk(&walked, &scratch);
    jscan_init(&skipped, text);
    jscan_skip(&skipped);
    assert(skipped.at <= size && skipped.failed_at <= size);
    assert(walked.failed || (!skipped.failed && walked.at == skipped.at));
    if (json_parse(text, &tree, &err) == 0)
        assert(jscan_at_end(&skipped) && (!walked.failed || walked.depth == JSCAN_DEPTH_MAX));
    jscan_init(&left, text);
    leave_early(&left);
    assert(left.at <= size);
    return 0;
}
