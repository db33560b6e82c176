/* usage - what one call consumed, in one vector for all providers.
 *
 * As OpenTelemetry GenAI defines them, input_tokens counts all input (cached and cache-write tokens
 * included) and output_tokens all output (reasoning included); the other token units are parts of
 * those two.  Providers that report exclusive parts (Anthropic, Bedrock) are added up on reading,
 * providers whose reasoning stands outside (xAI, Gemini) likewise.
 *
 * Zero is not missing and missing is not zero: `present` says which units were reported.
 */
#ifndef LLM_USAGE_H
#define LLM_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* X(constant, ledger column, unit of which it is a part or NONE) */
#define USAGE_UNITS(X)                                                                             \
    X(INPUT, "input_tokens", NONE)                                                                 \
    X(CACHED_INPUT, "cached_input_tokens", INPUT)                                                  \
    X(CACHE_WRITE, "cache_write_tokens", INPUT)                                                    \
    X(CACHE_WRITE_5M, "cache_write_5m_tokens", CACHE_WRITE)                                        \
    X(CACHE_WRITE_1H, "cache_write_1h_tokens", CACHE_WRITE)                                        \
    X(INPUT_AUDIO, "input_audio_tokens", INPUT)                                                    \
    X(INPUT_IMAGE, "input_image_tokens", INPUT)                                                    \
    X(INPUT_VIDEO, "input_video_tokens", INPUT)                                                    \
    X(CACHED_AUDIO, "cached_audio_tokens", CACHED_INPUT)                                           \
    X(CACHED_IMAGE, "cached_image_tokens", CACHED_INPUT)                                           \
    X(CACHED_VIDEO, "cached_video_tokens", CACHED_INPUT)                                           \
    X(TOOL_PROMPT, "tool_prompt_tokens", INPUT)                                                    \
    X(OUTPUT, "output_tokens", NONE)                                                               \
    X(REASONING, "reasoning_tokens", OUTPUT)                                                       \
    X(OUTPUT_AUDIO, "output_audio_tokens", OUTPUT)                                                 \
    X(OUTPUT_IMAGE, "output_image_tokens", OUTPUT)                                                 \
    X(WEB_SEARCHES, "web_searches", NONE)                                                          \
    X(WEB_FETCHES, "web_fetches", NONE)                                                            \
    X(FILE_SEARCHES, "file_searches", NONE)                                                        \
    X(CODE_SESSIONS, "code_sessions", NONE)                                                        \
    X(IMAGES, "images", NONE)             /* made */                                               \
    X(AUDIO_MS, "audio_ms", NONE)         /* transcribed or made, milliseconds */                  \
    X(CHARACTERS, "characters", NONE)     /* of speech input */                                    \
    X(PAGES, "pages", NONE)               /* read by OCR */                                        \
    X(SEARCH_UNITS, "search_units", NONE) /* rerank */                                             \
    X(TOOL_CALLS, "tool_calls", NONE)     /* functions the model asked for: counted, not billed */

enum usage_unit {
#define X(constant, column, parent) USAGE_##constant,
    USAGE_UNITS(X)
#undef X
        USAGE_UNIT_COUNT,
    USAGE_NONE = -1,
};

/* A count beyond this is nonsense: 100 times the largest context any model offers. */
#define USAGE_VALUE_MAX INT64_C(1000000000)

struct usage {
    uint32_t present; /* bit per unit */
    int64_t n[USAGE_UNIT_COUNT];
};

enum usage_source {
    USAGE_SOURCE_REPORTED,  /* by the provider, in body or headers, or by the imported row */
    USAGE_SOURCE_ESTIMATED, /* from bytes seen: a cut stream */
    USAGE_SOURCE_UNKNOWN,   /* nothing to go by: not zero */
    USAGE_SOURCE_COUNT,
};

const char *usage_source_name(enum usage_source s);
const char *usage_unit_name(enum usage_unit u);
enum usage_unit usage_unit_parent(enum usage_unit u);

static inline bool usage_has(const struct usage *u, enum usage_unit unit)
{
    return u->present >> unit & 1;
}
static inline void usage_set(struct usage *u, enum usage_unit unit, int64_t n)
{
    u->present |= 1u << unit;
    u->n[unit] = n;
}
/* Adds n to a unit, which is present afterwards. */
static inline void usage_add(struct usage *u, enum usage_unit unit, int64_t n)
{
    usage_set(u, unit, (usage_has(u, unit) ? u->n[unit] : 0) + n);
}
/* Unit by unit; present where either is. */
void usage_add_all(struct usage *to, const struct usage *from);
/* Rejects negative and absurd counts and parts greater than their whole: -1 with the reason. */
int usage_check(const struct usage *u, struct err *err);

#endif
