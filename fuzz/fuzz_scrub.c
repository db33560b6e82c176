/* Redaction over any bytes, as each kind of body: chunks add up, and JSON stays JSON. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "capture/scrub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = {
    "application/json",     "text/event-stream",
    "application/x-ndjson", "application/vnd.amazon.eventstream",
    "text/plain",
};

static struct scrub *make_rules(void)
{
    struct scrub *s = scrub_new();
    struct scrub_pattern p = { .name = STR("words"),
                               .regex = STR("[a-c]x+|(?<=q)[0-9]"),
                               .places = SCRUB_EVERYWHERE };
    struct err err;

    for (size_t i = 0; scrub_shipped_names()[i]; i++)
        if (scrub_add_shipped(s, str_from(scrub_shipped_names()[i]), SCRUB_EVERYWHERE, &err) < 0)
            abort();
    if (scrub_add_pattern(s, &p, &err) < 0)
        abort();
    return s;
}

static bool is_json(struct str text)
{
    CLEANUP(json_decref) json_t *doc = NULL;
    struct err err;

    return json_parse(text, &doc, &err) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scrub *s;
    CLEANUP(buf_release) struct buf out = { 0 };
    struct exchange_chunk chunks[3];
    struct err err = { 0 };

    if (!s)
        s = make_rules();
    if (size < 2)
        return 0;
    struct str body = { (const char *)data + 2, size - 2 };
    chunks[0].bytes = body.len * data[1] / 256 / 2;
    chunks[1].bytes = body.len * data[1] / 256 - chunks[0].bytes;
    chunks[2].bytes = body.len - chunks[0].bytes - chunks[1].bytes;
    struct scrub_body b = { .place = data[0] & 128 ? SCRUB_REQUESTS : SCRUB_ANSWERS,
                            .body = body,
                            .content_type = str_from(types[(data[0] & 127) % ARRAY_LEN(types)]),
                            .chunks = chunks,
                            .chunk_count = 3,
                            .out = &out };
    enum scrub_result r = scrub_body(s, &b, &err);
    if (r == SCRUB_CHANGED && chunks[0].bytes + chunks[1].bytes + chunks[2].bytes != out.len)
        abort();
    if (r == SCRUB_CHANGED && is_json(body) && !is_json(buf_str(&out)))
        abort();
    scrub_text(s, body, &out, &err);
    return 0;
}
