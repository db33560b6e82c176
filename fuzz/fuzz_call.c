/* Calls out of arbitrary bytes: lines of method, host, path, status, a response header and the
 * request, then the response.  Whatever comes in, what is read must hold together, and
 * the short reading agree with the long one. */
#include "config.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "llm/call.h"
#include "tests/cost_reading.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str next_line(struct str *rest)
{
    ptrdiff_t end = str_find_char(*rest, '\n', 0);
    size_t len = end < 0 ? rest->len : (size_t)end;
    struct str line = str_sub(*rest, 0, len);

    *rest = str_sub(*rest, end < 0 ? len : len + 1, rest->len);
    return line;
}

static void check(const struct call_facts *facts)
{
    struct err err;

    assert(facts->provider < PROVIDER_COUNT && facts->api < API_COUNT);
    assert(facts->recognised_by && facts->part_count <= CALL_PARTS_MAX);
    assert(facts->usage_source == USAGE_SOURCE_REPORTED || facts->usage_note);
    assert((facts->usage_source == USAGE_SOURCE_UNKNOWN) == (facts->part_count == 0));
    assert(facts->billable || facts->part_count == 0);
    assert(!facts->has_reported_cost || facts->reported_cost_pusd >= 0);
    for (size_t i = 0; i < facts->part_count && facts->api != API_BATCH; i++)
        assert(usage_check(&facts->parts[i].usage, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct str rest = { (const char *)data, size };
    struct call_header header;
    struct call_facts facts;
    int64_t status = 0;
    struct call call = { .response_headers = &header, .response_header_count = 1 };

    call.method = next_line(&rest);
    call.host = next_line(&rest);
    call.path = next_line(&rest);
    struct str word = next_line(&rest);
    call.response_cut = str_ends_with(word, STR("!"));
    if (call.response_cut)
        word.len--;
    if (str_to_i64(word, &status) && status >= 0 && status < 1000)
        call.status = (int)status;
    struct str value = next_line(&rest);
    header.name = STR("");
    str_split(&value, ':', &header.name);
    header.value = value;
    call.request_body = next_line(&rest);
    call.response_body = rest;
    call_read(&call, &arena, &facts);
    check(&facts);
    bool is_plain;
    assert(cost_reading_agrees(&call, &arena, &is_plain));
    return 0;
}
