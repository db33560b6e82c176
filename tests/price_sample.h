/* price_sample - small price books for tests, and prices asked in one line. */
#ifndef TESTS_PRICE_SAMPLE_H
#define TESTS_PRICE_SAMPLE_H

#include <stdio.h>
#include <string.h>

#include "base/timestamp.h"
#include "llm/price.h"
#include "tests/temp_folder.h"

static const char price_sample[] =
    "format: weir-prices/1\n"
    "provider: openai\n"
    "sources: {s: {title: made up}}\n"
    "fees: [{source: s, checked: 2026-01-01, per_thousand: {web_searches: \"10\"}}]\n"
    "entries:\n"
    "  - {id: plain, source: s, checked: 2026-01-01, per_million: {input: \"2\", output: \"8\"}}\n"
    "  - id: full\n"
    "    match: [{prefix: full-2}, {regex: \"^fuller-[0-9]+$\"}]\n"
    "    source: s\n"
    "    checked: 2026-01-01\n"
    "    per_million: {input: \"4\", cached_input: \"1\", cache_write: \"5\", cache_write_1h: "
    "\"8\",\n"
    "      input_audio: \"40\", cached_audio: \"2\", output: \"16\", output_audio: \"80\"}\n"
    "    long: [{above: 1000, per_million: {input: \"8\", cached_input: \"2\", output: \"24\"}}]\n"
    "    tiers:\n"
    "      batch: {times: \"0.5\"}\n"
    "      flex: batch\n"
    "      priority: {per_million: {input: \"7\", output: \"28\"}}\n"
    "  - {id: ft:full, match: [{prefix: \"ft:full:\"}], source: s, checked: 2026-01-01,\n"
    "     per_million: {input: \"6\", output: \"24\"}}\n"
    "  - {id: embed, source: s, checked: 2026-01-01, per_million: {input: \"0.02\"}}\n"
    "  - {id: picture, source: s, checked: 2026-01-01,\n"
    "     each: {images: {default: \"0.04\", \"1024x1024/hd\": \"0.08\"}}}\n"
    "  - {id: ear, source: s, checked: 2026-01-01, per_hour: {audio: \"0.04\"}}\n"
    "  - {id: tiny, source: s, checked: 2026-01-01, tiers: {batch: {times: \"0.5\"}},\n"
    "     per_million: {input: \"0.000001\", cached_input: \"0.000001\", output: \"0.000001\"}}\n";

/* Writes text to a file of the test's folder; returns its path. */
static inline const char *price_write(const char *name, const char *text)
{
    const char *path = temp_path(name);
    FILE *f = fopen(path, "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert(fwrite(text, 1, strlen(text), f) == strlen(text));
    ck_assert_int_eq(fclose(f), 0);
    return path;
}

static inline void price_load(struct price_book **book, const char *name, const char *text)
{
    struct err err;

    ck_assert_msg(price_book_load(book, price_write(name, text), &err) == 0, "%s", err.text);
}

static inline void price_load_shipped(struct price_book **book)
{
    const char *srcdir = getenv("srcdir");
    char path[1024];
    struct err err;

    snprintf(path, sizeof(path), "%s/share/prices", srcdir ? srcdir : ".");
    ck_assert_msg(price_book_load(book, path, &err) == 0, "%s", err.text);
}

/* One question: counts by unit, in pairs ended by USAGE_NONE. */
struct price_ask {
    enum provider provider;
    const char *model, *at, *tier, *geo;
    int units[16];
};

static inline void price_ask(const struct price_book *book, const struct price_ask *ask,
                             struct price_result *ret)
{
    struct price_query query = {
        .provider = ask->provider,
        .model = str_from(ask->model),
        .service_tier = str_from(ask->tier),
        .geo = str_from(ask->geo),
    };
    struct usage usage = { 0 };

    ck_assert(timestamp_parse(str_from(ask->at ? ask->at : "2026-06-01"), &query.at_us));
    for (size_t i = 0; i + 1 < ARRAY_LEN(ask->units) && ask->units[i + 1] > 0; i += 2)
        usage_set(&usage, (enum usage_unit)ask->units[i], ask->units[i + 1]);
    price_of(book, &query, &usage, ret);
}

/* Asks, and compares the cost with a decimal in USD. */
#define ck_assert_price(book, want, ...)                                                           \
    do {                                                                                           \
        struct price_ask ask_ = { __VA_ARGS__ };                                                   \
        struct price_result result_;                                                               \
        char cost_[DECIMAL_TEXT_BYTES];                                                            \
        i128 want_ = 0;                                                                            \
        price_ask(book, &ask_, &result_);                                                          \
        ck_assert_int_eq(decimal_parse(str_from(want), PUSD_SCALE, &want_), DECIMAL_OK);           \
        ck_assert_msg(result_.status == PRICE_OK, "%s: status %d", ask_.model, result_.status);    \
        ck_assert_msg(result_.cost_pusd == want_, "%s costs %s, not %s", ask_.model,               \
                      decimal_format(result_.cost_pusd, PUSD_SCALE, cost_), want);                 \
    } while (0)

#define ck_assert_no_price(book, status_, ...)                                                     \
    do {                                                                                           \
        struct price_ask ask_ = { __VA_ARGS__ };                                                   \
        struct price_result result_;                                                               \
        price_ask(book, &ask_, &result_);                                                          \
        ck_assert_msg(result_.status == (status_), "%s: status %d, entry %.*s", ask_.model,        \
                      result_.status, STR_ARG(result_.entry));                                     \
    } while (0)

#endif
