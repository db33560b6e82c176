#include "config.h"

#include "replay/sim_arrival.h"

#include "base/buf.h"

void sim_classes_release(struct sim_classes *c)
{
    map_release(&c->by_key);
    vec_release(&c->list);
    arena_release(&c->arena);
}

static void add_part(struct buf *key, struct str s)
{
    buf_addf(key, "%zu:", s.len);
    buf_add_str(key, s);
}

int sim_classes_put(struct sim_classes *c, const struct sim_class *class, uint32_t *ret,
                    struct err *err)
{
    CLEANUP(buf_release) struct buf key = { 0 };
    struct sim_class copy = *class;
    struct str *const parts[] = { &copy.app,   &copy.team,     &copy.business_unit, &copy.upstream,
                                  &copy.model, &copy.answered, &copy.tier,          &copy.geo };
    bool is_new;

    buf_addf(&key, "%d %d %d ", (int)class->provider, (int)class->api, class->has_upstream);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        add_part(&key, *parts[i]);
    if (c->list.len >= SIM_CLASSES_MAX && !map_find(&c->by_key, buf_str(&key)))
        return err_set(err, ERR_LIMIT,
                       "more than %d combinations of application, team, upstream and model: take a "
                       "shorter time",
                       SIM_CLASSES_MAX);
    struct map_entry *e = map_put(&c->by_key, buf_str(&key), &is_new);
    if (is_new) {
        e->value = c->list.len;
        for (size_t i = 0; i < ARRAY_LEN(parts); i++)
            *parts[i] = arena_str(&c->arena, *parts[i]);
        vec_push(&c->list, copy);
    }
    *ret = (uint32_t)e->value;
    return 0;
}

struct str sim_class_family(const struct sim_class *class)
{
    static const struct str of[API_COUNT] = {
        [API_CHAT] = STR_INIT("openai"),
        [API_RESPONSES] = STR_INIT("openai"),
        [API_RESPONSES_COMPACT] = STR_INIT("openai"),
        [API_COMPLETIONS] = STR_INIT("openai"),
        [API_EMBEDDINGS] = STR_INIT("openai"),
        [API_IMAGES] = STR_INIT("openai"),
        [API_TRANSCRIPTION] = STR_INIT("openai"),
        [API_SPEECH] = STR_INIT("openai"),
        [API_MODERATIONS] = STR_INIT("openai"),
        [API_MESSAGES] = STR_INIT("anthropic"),
        [API_COMPLETE] = STR_INIT("anthropic"),
        [API_GENERATE_CONTENT] = STR_INIT("gemini"),
        [API_EMBED_CONTENT] = STR_INIT("gemini"),
        [API_INTERACTIONS] = STR_INIT("gemini"),
        [API_CONVERSE] = STR_INIT("bedrock"),
        [API_INVOKE] = STR_INIT("bedrock"),
        [API_OLLAMA_CHAT] = STR_INIT("ollama"),
        [API_OLLAMA_GENERATE] = STR_INIT("ollama"),
        [API_OLLAMA_EMBED] = STR_INIT("ollama"),
    };

    if (class->provider == PROVIDER_AZURE_OPENAI && str_eq(of[class->api], STR("openai")))
        return STR("azure_openai");
    return of[class->api];
}

void sim_source_free(struct sim_source *s)
{
    if (s)
        s->free(s);
}
