/* settle - counts as sent into the inclusive vector of llm/usage.h.
 *
 * Providers differ in what stands inside what.  Where a total is reported it decides (rule 3 of the
 * provider facts), because gateways and compatible servers move counts between classes; the names
 * decide only where there is none.
 */
#include "config.h"

#include <inttypes.h>

#include "llm/read.h"

static bool is_embedding(enum api api)
{
    return api == API_EMBEDDINGS || api == API_EMBED_CONTENT || api == API_RERANK ||
           api == API_MODERATIONS || api == API_OLLAMA_EMBED;
}

static void drop(struct counts *c, int count)
{
    c->present &= ~(UINT64_C(1) << count);
    c->n[count] = 0;
}

/* --- input --- */

/* Cohere: cached_tokens counts against the tokens processed, not against the units billed. */
static void settle_billed(struct reading *r, struct counts *c)
{
    bool has_plain = counts_has(c, COUNT_PLAIN_INPUT) || counts_has(c, COUNT_PLAIN_OUTPUT);

    if (!has_plain)
        return;
    drop(c, USAGE_CACHED_INPUT);
    if (counts_has(c, USAGE_INPUT) || counts_has(c, USAGE_OUTPUT) ||
        counts_has(c, USAGE_SEARCH_UNITS))
        return;
    if (counts_has(c, COUNT_PLAIN_INPUT))
        counts_set(c, USAGE_INPUT, c->n[COUNT_PLAIN_INPUT]);
    if (counts_has(c, COUNT_PLAIN_OUTPUT))
        counts_set(c, USAGE_OUTPUT, c->n[COUNT_PLAIN_OUTPUT]);
    reading_note(r, "no billed units: tokens processed were taken");
}

static void settle_missing_input(struct reading *r, struct counts *c)
{
    if (counts_has(c, USAGE_INPUT))
        return;
    if (counts_has(c, USAGE_CACHED_INPUT) && counts_has(c, COUNT_CACHE_MISS))
        counts_set(c, USAGE_INPUT, c->n[USAGE_CACHED_INPUT] + c->n[COUNT_CACHE_MISS]);
    else if (counts_has(c, COUNT_TOTAL) && !counts_has(c, USAGE_OUTPUT) &&
             is_embedding(r->facts->api))
        counts_set(c, USAGE_INPUT, c->n[COUNT_TOTAL]);
}

static void settle_cache(struct counts *c)
{
    bool has_parts = counts_has(c, USAGE_CACHE_WRITE_5M) || counts_has(c, USAGE_CACHE_WRITE_1H);

    if (!counts_has(c, USAGE_CACHE_WRITE) && has_parts) {
        counts_set(c, USAGE_CACHE_WRITE,
                   counts_get(c, USAGE_CACHE_WRITE_5M) + counts_get(c, USAGE_CACHE_WRITE_1H));
        c->flags |= COUNTS_CACHE_OUTSIDE;
    }
    if (c->flags & COUNTS_CACHE_OUTSIDE && !(c->flags & COUNTS_PROMPT) &&
        counts_has(c, USAGE_INPUT))
        counts_add(c, USAGE_INPUT,
                   counts_get(c, USAGE_CACHED_INPUT) + counts_get(c, USAGE_CACHE_WRITE));
}

static void settle_modalities(struct counts *c)
{
    static const struct {
        int tool, unit;
    } pairs[] = {
        {COUNT_INPUT_AUDIO_TOOL,  USAGE_INPUT_AUDIO},
        { COUNT_INPUT_IMAGE_TOOL, USAGE_INPUT_IMAGE},
        { COUNT_INPUT_VIDEO_TOOL, USAGE_INPUT_VIDEO},
    };

    if (c->flags & COUNTS_IMAGE_OUTSIDE)
        counts_add(c, USAGE_INPUT, counts_get(c, USAGE_INPUT_IMAGE));
    if (c->flags & COUNTS_TOOL_OUTSIDE && counts_has(c, USAGE_INPUT))
        counts_add(c, USAGE_INPUT, counts_get(c, USAGE_TOOL_PROMPT));
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        if (counts_has(c, pairs[i].tool))
            counts_add(c, pairs[i].unit, c->n[pairs[i].tool]);
}

/* --- output --- */

/* Whether input and output, with this more, make up the total. */
static bool adds_up(const struct counts *c, int64_t more)
{
    return counts_has(c, COUNT_TOTAL) &&
           counts_get(c, USAGE_INPUT) + counts_get(c, USAGE_OUTPUT) + more == c->n[COUNT_TOTAL];
}

/* An output left out is what the total leaves (Gemini omits a candidates count of zero, and in last
 * chunks any); without a total, thoughts are all there is. */
static void settle_missing_output(const struct reading *r, struct counts *c)
{
    int64_t left = counts_get(c, COUNT_TOTAL) - counts_get(c, USAGE_INPUT);

    if (counts_has(c, USAGE_OUTPUT) || !counts_has(c, USAGE_INPUT))
        return;
    if (counts_has(c, COUNT_TOTAL)) {
        if (left > 0 || (left == 0 && !is_embedding(r->facts->api)))
            counts_set(c, USAGE_OUTPUT, left);
    } else if (c->flags & COUNTS_REASONING_OUTSIDE) {
        counts_set(c, USAGE_OUTPUT, counts_get(c, USAGE_REASONING));
    }
}

/* How the reasoning is known to stand where no total tells. */
static bool is_outside_by_provider(const struct reading *r, const struct counts *c)
{
    enum provider p = r->facts->provider;

    if (c->flags & (COUNTS_REASONING_OUTSIDE | COUNTS_LIVE))
        return true;
    if (p == PROVIDER_PERPLEXITY)
        return counts_get(c, USAGE_REASONING) > counts_get(c, USAGE_OUTPUT);
    return p == PROVIDER_XAI && !counts_has(c, COUNT_TOTAL);
}

static void settle_reasoning(const struct reading *r, struct counts *c)
{
    int64_t reasoning = counts_get(c, USAGE_REASONING);
    bool is_outside;

    if (reasoning == 0 || !counts_has(c, USAGE_OUTPUT))
        return;
    if (c->flags & COUNTS_LIVE)
        is_outside = true;
    else if (adds_up(c, reasoning))
        is_outside = true;
    else if (adds_up(c, 0) && r->facts->provider != PROVIDER_PERPLEXITY)
        is_outside = false;
    else
        is_outside = is_outside_by_provider(r, c);
    if (is_outside)
        counts_add(c, USAGE_OUTPUT, reasoning);
}

static bool is_gemini(const struct reading *r)
{
    enum provider p = r->facts->provider;
    struct str model = r->text[SLOT_MODEL];

    if (p == PROVIDER_GEMINI || p == PROVIDER_VERTEX)
        return true;
    return p == PROVIDER_COMPATIBLE && (str_starts_with(model, STR("gemini-")) ||
                                        str_starts_with(model, STR("google/gemini-")));
}

/* Gemini behind the chat API reports its thoughts in the total only, and bills them. */
static void settle_hidden_output(struct reading *r, struct counts *c)
{
    int64_t hidden =
        counts_get(c, COUNT_TOTAL) - counts_get(c, USAGE_INPUT) - counts_get(c, USAGE_OUTPUT);

    if (!(c->flags & COUNTS_PROMPT) || hidden <= 0 || !counts_has(c, USAGE_OUTPUT) || !is_gemini(r))
        return;
    counts_add(c, USAGE_OUTPUT, hidden);
    if (!counts_has(c, USAGE_REASONING))
        counts_set(c, USAGE_REASONING, hidden);
    reading_note(r, "%" PRId64 " tokens of the total are in no other count: taken as thoughts",
                 hidden);
}

/* --- parts --- */

static const struct {
    enum usage_unit whole;
    enum usage_unit parts[3]; /* which do not overlap; USAGE_NONE ends them */
} groups[] = {
    {USAGE_INPUT,         { USAGE_CACHED_INPUT, USAGE_CACHE_WRITE, USAGE_NONE }         },
    { USAGE_INPUT,        { USAGE_INPUT_AUDIO, USAGE_INPUT_IMAGE, USAGE_INPUT_VIDEO }   },
    { USAGE_INPUT,        { USAGE_TOOL_PROMPT, USAGE_NONE, USAGE_NONE }                 },
    { USAGE_CACHE_WRITE,  { USAGE_CACHE_WRITE_5M, USAGE_CACHE_WRITE_1H, USAGE_NONE }    },
    { USAGE_CACHED_INPUT, { USAGE_CACHED_AUDIO, USAGE_CACHED_IMAGE, USAGE_CACHED_VIDEO }},
    { USAGE_OUTPUT,       { USAGE_REASONING, USAGE_OUTPUT_AUDIO, USAGE_OUTPUT_IMAGE }   },
};

/* An embedding is priced by its input alone: "usage" of /v1/embeddings is prompt_tokens and
 * total_tokens (OpenAI API reference, 2026-08).  Servers that share code with their chat API report
 * more, mostly zeros. */
static void settle_embedding(struct reading *r, struct counts *c)
{
    static const enum usage_unit none[] = { USAGE_OUTPUT,         USAGE_REASONING,
                                            USAGE_OUTPUT_AUDIO,   USAGE_OUTPUT_IMAGE,
                                            USAGE_CACHED_INPUT,   USAGE_CACHE_WRITE,
                                            USAGE_CACHE_WRITE_5M, USAGE_CACHE_WRITE_1H };

    if (!is_embedding(r->facts->api))
        return;
    if (counts_get(c, USAGE_OUTPUT) > 0)
        reading_note(r, "an embedding has no output: %" PRId64 " tokens left out",
                     counts_get(c, USAGE_OUTPUT));
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        drop(c, (int)none[i]);
}

/* Parts greater than their whole are a provider's or a gateway's mistake: the whole stays. */
static void settle_parts(struct reading *r, struct counts *c)
{
    const uint64_t wholes = UINT64_C(1) << USAGE_INPUT | UINT64_C(1) << USAGE_OUTPUT;

    if (!(c->present & ~wholes & ((UINT64_C(1) << USAGE_UNIT_COUNT) - 1)))
        return; /* no parts */
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        enum usage_unit whole = groups[i].whole;
        int64_t left = counts_get(c, (int)whole);
        for (size_t k = 0; k < ARRAY_LEN(groups[i].parts); k++) {
            enum usage_unit part = groups[i].parts[k];
            if (part == USAGE_NONE || !counts_has(c, (int)part))
                continue;
            int64_t n = c->n[part];
            if (n <= left) {
                left -= n;
                continue;
            }
            if (counts_has(c, (int)whole))
                reading_note(r, "%s %" PRId64 " is more than %s leaves, %" PRId64 ": left out",
                             usage_unit_name(part), n, usage_unit_name(whole), left);
            drop(c, (int)part);
        }
    }
}

static void settle_cached_modalities(struct counts *c)
{
    static const enum usage_unit pairs[][2] = {
        {USAGE_CACHED_AUDIO,  USAGE_INPUT_AUDIO},
        { USAGE_CACHED_IMAGE, USAGE_INPUT_IMAGE},
        { USAGE_CACHED_VIDEO, USAGE_INPUT_VIDEO},
    };

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        if (counts_get(c, (int)pairs[i][0]) > counts_get(c, (int)pairs[i][1]))
            drop(c, (int)pairs[i][0]);
}

/* Input and output, with no total or the one they make up, each sensible: there is nothing to
 * settle.  (Flags say where parts stand, of which there are none.) */
static bool is_settled(const struct reading *r, const struct counts *c)
{
    const uint64_t both = UINT64_C(1) << USAGE_INPUT | UINT64_C(1) << USAGE_OUTPUT;

    return (c->present & ~(UINT64_C(1) << COUNT_TOTAL)) == both && !c->bad && !c->bad_part &&
           (!counts_has(c, COUNT_TOTAL) || adds_up(c, 0)) && c->n[USAGE_INPUT] >= 0 &&
           c->n[USAGE_INPUT] <= USAGE_VALUE_MAX && c->n[USAGE_OUTPUT] >= 0 &&
           c->n[USAGE_OUTPUT] <= USAGE_VALUE_MAX && !is_embedding(r->facts->api);
}

int settle(struct reading *r, const struct counts *counts, struct usage *ret)
{
    struct err err;

    *ret = (struct usage){ 0 };
    if (is_settled(r, counts)) {
        usage_set(ret, USAGE_INPUT, counts->n[USAGE_INPUT]);
        usage_set(ret, USAGE_OUTPUT, counts->n[USAGE_OUTPUT]);
        return 0;
    }
    struct counts c = *counts;
    if (c.bad) {
        reading_note(r, "usage rejected: %s", c.bad);
        return -1;
    }
    if (c.bad_part)
        reading_note(r, "left out of the usage: %s", c.bad_part);
    settle_billed(r, &c);
    settle_missing_input(r, &c);
    settle_cache(&c);
    settle_modalities(&c);
    settle_missing_output(r, &c);
    settle_reasoning(r, &c);
    settle_hidden_output(r, &c);
    settle_embedding(r, &c);
    settle_parts(r, &c);
    settle_cached_modalities(&c);
    uint64_t units = c.present & ((UINT64_C(1) << USAGE_UNIT_COUNT) - 1);
    for (; units; units &= units - 1) {
        enum usage_unit u = (enum usage_unit)__builtin_ctzll(units);
        usage_set(ret, u, c.n[u]);
    }
    if (usage_check(ret, &err) < 0) {
        reading_note(r, "usage rejected: %s", err.text);
        return -1;
    }
    return ret->present ? 0 : -1;
}
