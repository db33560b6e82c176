/* A configuration and a map of columns over arbitrary bytes: read, or refused with a place. */
#include "config.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "capture/conf.h"
#include "capture/import_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void apply(const struct conf *c)
{
    struct attribution_input in = { .path = STR("/bot/v1"),
                                    .host = STR("API.openai.com:443"),
                                    .key_id = STR("00112233aabbccdd"),
                                    .user_agent = STR("OpenAI/JS"),
                                    .client_address = STR("10.1.2.3:4"),
                                    .provider = STR("openai"),
                                    .model = STR("gpt-5"),
                                    .labels =
                                        STR("{\"x-weir-app\":\"a\",\"metadata.x\":\"\\u0041\"}") };
    struct exchange_who who;

    attribution_apply(c->attribution, &in, &who);
    attribution_set_key(c->attribution, &(struct key){ .bytes = { 1 } });
    attribution_apply(c->attribution, &in, &who);
    assert(who.app.len == 0 || who.app.ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(conf_free) struct conf *c = NULL;
    CLEANUP(import_map_free) struct import_map *m = NULL;
    struct str text = { (const char *)data, size };
    struct err err = { 0 };
    enum provider provider;
    struct str model;

    if (conf_parse(text, "f", "/d", &c, &err) == 0)
        apply(c);
    else
        assert(strncmp(err.text, "f", 1) == 0);
    if (import_map_parse(text, "f", &m, &err) == 0)
        import_map_split_model(m, STR("openrouter/anthropic/claude-3"), &provider, &model);
    else
        assert(strncmp(err.text, "f", 1) == 0);
    return 0;
}
