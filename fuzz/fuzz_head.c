/* What the proxy makes of single values: a line as a traceparent, a line as an accept-encoding, and
 * the rest as the api in whose words it answers itself; the first byte picks the answer. */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "proxy/head.h"
#include "proxy/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_trace(struct str given)
{
    struct str id = head_trace_id(given);

    assert(id.len == 0 || (id.len == TRACE_ID_BYTES && id.ptr == given.ptr + 3));
    for (size_t i = 0; i < id.len; i++)
        assert((id.ptr[i] >= '0' && id.ptr[i] <= '9') || (id.ptr[i] >= 'a' && id.ptr[i] <= 'f'));
}

/* What is left is left the second time as well. */
static void check_encodings(struct str given)
{
    CLEANUP(buf_release) struct buf once = { 0 }, twice = { 0 };

    head_filter_encodings(given, &once);
    head_filter_encodings(buf_str(&once), &twice);
    assert(once.len > 0 && str_eq(buf_str(&once), buf_str(&twice)));
}

/* One JSON object on a line, with the error in it, or being it: Bedrock's. */
static void check_reply(enum reply_kind kind, struct str api)
{
    CLEANUP(buf_release) struct buf body = { 0 };
    CLEANUP(json_decref) json_t *json = NULL;
    const json_t *error;
    struct err err;

    reply_write_body(&replies[kind], api, &body);
    if (json_parse(buf_str(&body), &json, &err) < 0)
        abort();
    error = json_object_get(json, "error");
    assert(json_is_object(error) != json_is_string(json_object_get(json, "__type")));
    assert(json_is_string(json_object_get(error ? error : json, "message")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = { (const char *)data, size }, trace = STR(""), encodings = STR("");

    if (size == 0)
        return 0;
    str_split(&rest, '\n', &trace);
    str_split(&rest, '\n', &encodings);
    check_trace(trace);
    check_encodings(encodings);
    check_reply((enum reply_kind)(data[0] % REPLY_COUNT), rest);
    return 0;
}
