#include "config.h"

#include "analyze/bill.h"

#include "analyze/engine.h"

#define MICRO       1000000
#define MICRO_OF_MS (MICRO / 1000)

static const char *const names[] = {
#define X(constant, name) name,
    BILL_UNITS(X)
#undef X
};

const char *bill_unit_name(enum bill_unit u)
{
    return names[u];
}

#define TOKENS     "Tokens", 0, "1000000 Tokens", 6
#define EACH(noun) noun, 0, noun, 0

/* clang-format off: one a line */
static const struct {
    int unit; /* of a charge */
    struct bill_meter meter;
} meters[] = {
    {USAGE_INPUT,            { "Input Tokens", BILL_INPUT, TOKENS }                              },
    { USAGE_CACHED_INPUT,    { "Cached Input Tokens", BILL_CACHED_INPUT, TOKENS }                },
    { USAGE_CACHE_WRITE,     { "Cache Write Tokens", BILL_CACHE_WRITE, TOKENS }                  },
    { USAGE_CACHE_WRITE_5M,  { "Cache Write 5m Tokens", BILL_CACHE_WRITE_5M, TOKENS }            },
    { USAGE_CACHE_WRITE_1H,  { "Cache Write 1h Tokens", BILL_CACHE_WRITE_1H, TOKENS }            },
    { USAGE_INPUT_AUDIO,     { "Audio Input Tokens", BILL_INPUT_AUDIO, TOKENS }                  },
    { USAGE_INPUT_IMAGE,     { "Image Input Tokens", BILL_INPUT_IMAGE, TOKENS }                  },
    { USAGE_INPUT_VIDEO,     { "Video Input Tokens", BILL_INPUT, TOKENS }                        },
    { USAGE_CACHED_AUDIO,    { "Cached Audio Tokens", BILL_CACHED_AUDIO, TOKENS }                },
    { USAGE_CACHED_IMAGE,    { "Cached Image Tokens", BILL_CACHED_IMAGE, TOKENS }                },
    { USAGE_CACHED_VIDEO,    { "Cached Video Tokens", BILL_CACHED_INPUT, TOKENS }                },
    { USAGE_TOOL_PROMPT,     { "Tool Prompt Tokens", BILL_INPUT, TOKENS }                        },
    { USAGE_OUTPUT,          { "Output Tokens", BILL_OUTPUT, TOKENS }                            },
    { USAGE_REASONING,       { "Reasoning Tokens", BILL_OUTPUT, TOKENS }                         },
    { USAGE_OUTPUT_AUDIO,    { "Audio Output Tokens", BILL_OUTPUT_AUDIO, TOKENS }                },
    { USAGE_OUTPUT_IMAGE,    { "Image Output Tokens", BILL_OUTPUT_IMAGE, TOKENS }                },
    { USAGE_WEB_SEARCHES,    { "Web Searches", BILL_WEB_SEARCHES, EACH("Searches") }             },
    { USAGE_WEB_FETCHES,     { "Web Fetches", BILL_WEB_FETCHES, EACH("Fetches") }                },
    { USAGE_FILE_SEARCHES,   { "File Searches", BILL_FILE_SEARCHES, EACH("Searches") }           },
    { USAGE_CODE_SESSIONS,   { "Code Sessions", BILL_CODE_SESSIONS, EACH("Sessions") }           },
    { USAGE_IMAGES,          { "Images", BILL_IMAGES, EACH("Images") }                           },
    { USAGE_AUDIO_MS,        { "Audio Seconds", BILL_SECONDS, "Seconds", 3, "Seconds", 3 }       },
    { USAGE_CHARACTERS,
     { "Characters", BILL_CHARACTERS, "Characters", 0, "1000000 Characters", 6 }                 },
    { USAGE_PAGES,           { "Pages", BILL_PAGES, EACH("Pages") }                              },
    { USAGE_SEARCH_UNITS,    { "Search Units", BILL_SEARCH_UNITS, EACH("Units") }                },
    { ENGINE_CHARGE_REQUEST, { "Calls", BILL_CALLS, EACH("Requests") }                           },
 /* A provider's own figure: the price of a dollar is one dollar. */
    { ENGINE_CHARGE_WHOLE,   { "Reported Cost", BILL_NONE, "Requests", 0, "Dollars", PUSD_SCALE }},
};
/* clang-format on */

const struct bill_meter *bill_meter_of(int unit)
{
    for (size_t i = 0; i < ARRAY_LEN(meters); i++)
        if (meters[i].unit == unit)
            return &meters[i].meter;
    return NULL;
}

const struct bill_meter *bill_meter_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(meters); i++)
        if (str_ieq(name, str_from(meters[i].meter.name)))
            return &meters[i].meter;
    return NULL;
}

void bill_split(const int64_t u[static USAGE_UNIT_COUNT], i128 ret[static BILL_UNIT_COUNT])
{
    int64_t audio = u[USAGE_INPUT_AUDIO] - u[USAGE_CACHED_AUDIO];
    int64_t image = u[USAGE_INPUT_IMAGE] - u[USAGE_CACHED_IMAGE];
    const int64_t n[BILL_UNIT_COUNT] = {
        [BILL_INPUT] =
            u[USAGE_INPUT] - u[USAGE_CACHED_INPUT] - u[USAGE_CACHE_WRITE] - audio - image,
        [BILL_CACHED_INPUT] = u[USAGE_CACHED_INPUT] - u[USAGE_CACHED_AUDIO] - u[USAGE_CACHED_IMAGE],
        [BILL_CACHE_WRITE] =
            u[USAGE_CACHE_WRITE] - u[USAGE_CACHE_WRITE_5M] - u[USAGE_CACHE_WRITE_1H],
        [BILL_CACHE_WRITE_5M] = u[USAGE_CACHE_WRITE_5M],
        [BILL_CACHE_WRITE_1H] = u[USAGE_CACHE_WRITE_1H],
        [BILL_OUTPUT] = u[USAGE_OUTPUT] - u[USAGE_OUTPUT_AUDIO] - u[USAGE_OUTPUT_IMAGE],
        [BILL_INPUT_AUDIO] = audio,
        [BILL_CACHED_AUDIO] = u[USAGE_CACHED_AUDIO],
        [BILL_OUTPUT_AUDIO] = u[USAGE_OUTPUT_AUDIO],
        [BILL_INPUT_IMAGE] = image,
        [BILL_CACHED_IMAGE] = u[USAGE_CACHED_IMAGE],
        [BILL_OUTPUT_IMAGE] = u[USAGE_OUTPUT_IMAGE],
        [BILL_WEB_SEARCHES] = u[USAGE_WEB_SEARCHES],
        [BILL_FILE_SEARCHES] = u[USAGE_FILE_SEARCHES],
        [BILL_CODE_SESSIONS] = u[USAGE_CODE_SESSIONS],
        [BILL_IMAGES] = u[USAGE_IMAGES],
        [BILL_CHARACTERS] = u[USAGE_CHARACTERS],
        [BILL_WEB_FETCHES] = u[USAGE_WEB_FETCHES],
        [BILL_PAGES] = u[USAGE_PAGES],
        [BILL_SEARCH_UNITS] = u[USAGE_SEARCH_UNITS],
    };

    for (size_t i = 0; i < BILL_UNIT_COUNT; i++)
        ret[i] = (i128)n[i] * MICRO;
    ret[BILL_SECONDS] = (i128)u[USAGE_AUDIO_MS] * MICRO_OF_MS;
}
