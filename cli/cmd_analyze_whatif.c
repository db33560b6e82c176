#include "config.h"

#include "cli/analysis.h"

#include <inttypes.h>

#include "analyze/whatif_print.h"
#include "base/figure.h"
#include "cli/span.h"
#include "llm/price_sheet.h"

#define LISTED_MODELS 20

static const struct option_def options[] = {
    OPTIONS_ANALYSIS,
    OPTION(LIST, .name = "model", .letter = 'm', .value = "A=B",
           .help = "price the use of model A (as recorded; * and ? match) as that of B, "
                   "PROVIDER/MODEL if it is another provider's; the first that fits "
                   "counts"),
    OPTION(VALUE, .name = "tier", .value = "TIER",
           .help = "price in this service tier: batch, flex, priority, default; without --model "
                   "all use"),
    OPTION(VALUE, .name = "tokens-ratio", .value = "LOW..HIGH",
           .help = "how many tokens B's tokenizer counts for one of A's (default 0.74..1.35; 1 "
                   "without --model)"),
    OPTION(VALUE, .name = "by", .letter = 'b', .value = "DIM[,DIM...]",
           .help = "group by these beside provider and model, as for weir analyze spend"),
    OPTIONS_SPAN,
    OPTION_FORMAT(cli_formats),
    OPTION_OUTPUT,
    OPTIONS_END,
};

struct inputs {
    struct analysis analysis;
    struct grouping by;
    struct engine_swap swaps[2 * WHATIF_SWAPS_MAX];
    struct engine_whatif whatif;
    int64_t low_micro, high_micro;
};

static void inputs_release(struct inputs *in)
{
    analysis_close(&in->analysis);
    grouping_release(&in->by);
}
DEFINE_CLEANUP_VALUE(struct inputs, inputs_release)

static int parse_whatif(const struct invocation *inv, struct inputs *in, struct err *err)
{
    const char *const *models = invocation_list(inv, "model");
    const char *tier = invocation_get(inv, "tier"), *ratio = invocation_get(inv, "tokens-ratio");
    size_t count;

    if (!*models && !tier)
        return err_set(err, ERR_USAGE, "say what is to be different: --model A=B, --tier TIER");
    in->low_micro = *models ? WHATIF_LOW_MICRO : WHATIF_MICRO;
    in->high_micro = *models ? WHATIF_HIGH_MICRO : WHATIF_MICRO;
    in->whatif = (struct engine_whatif){ .swaps = in->swaps, .tier = str_from(tier) };
    for (; *models; models++) {
        if (in->whatif.swap_count + 2 > ARRAY_LEN(in->swaps))
            return err_set(err, ERR_USAGE, "--model: more than %d", WHATIF_SWAPS_MAX);
        if (whatif_parse_swap(str_from(*models), &in->swaps[in->whatif.swap_count], &count, err) <
            0)
            return -1;
        in->whatif.swap_count += count;
    }
    return ratio ? whatif_parse_ratio(str_from(ratio), &in->low_micro, &in->high_micro, err) : 0;
}

static int check_tier(const struct inputs *in, struct err *err)
{
    if (price_sheet_knows_tier(in->analysis.book, in->whatif.tier))
        return 0;
    return err_set(err, ERR_USAGE,
                   "--tier '%.*s': nothing in the price book has such a price: batch, flex, "
                   "priority and default do",
                   STR_ARG(in->whatif.tier));
}

static int load_inputs(const struct invocation *inv, struct inputs *in, struct err *err)
{
    struct span span;

    if (parse_whatif(inv, in, err) < 0 || analysis_open(inv, &in->analysis, err) < 0 ||
        check_tier(in, err) < 0 || span_parse(inv, in->analysis.tz, &span, err) < 0 ||
        grouping_add_list(&in->by, "provider,model", NULL, err) < 0 ||
        grouping_add_list(&in->by, invocation_get(inv, "by"), in->analysis.tz, err) < 0)
        return -1;
    return analysis_set_span(&in->analysis, span.from_us, span.to_us, err);
}

static void print(const struct invocation *inv, const struct whatif *w)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    switch (cli_format(inv)) {
    case CLI_FORMAT_JSON:
        whatif_print_json(w, &out);
        break;
    case CLI_FORMAT_CSV:
        whatif_print_csv(w, &out);
        break;
    default:
        whatif_print_text(w, &out);
    }
    cli_out(buf_str(&out));
}

/* A model that nobody used is most likely mistyped. */
static bool is_any_swapped(const struct whatif *w)
{
    for (size_t i = 0; i < w->now.rows.len; i++)
        if (w->rows[i].is_swapped)
            return true;
    return false;
}

static bool complain(const struct invocation *inv, const struct whatif_question *question,
                     const struct whatif *w)
{
    const struct engine_result *r = &w->then;

    if (!(w->changed.notes & WHATIF_UNPRICED))
        return false;
    for (size_t i = 0, listed = 0; i < r->unpriced.len && listed < LISTED_MODELS; i++) {
        if (!whatif_is_asked(question, w, &r->unpriced.ptr[i]))
            continue;
        listed++;
        cli_note(inv, "no price%s for '%.*s' of '%.*s': %" PRId64 " request%s%s",
                 r->unpriced.ptr[i].unit_missing ? " of a unit that was used" : "",
                 STR_ARG(r->unpriced.ptr[i].model), STR_ARG(r->unpriced.ptr[i].provider),
                 r->unpriced.ptr[i].requests, figure_plural(r->unpriced.ptr[i].requests),
                 question->whatif->swap_count
                     ? "; another provider's model is written PROVIDER/MODEL"
                     : "");
    }
    return true;
}

static int run(const struct invocation *inv)
{
    CLEANUP(inputs_release) struct inputs in = { 0 };
    CLEANUP(whatif_release) struct whatif w = { 0 };
    struct err err;

    if (load_inputs(inv, &in, &err) < 0)
        return cli_fail(inv, &err);
    struct engine_query query = analysis_query(&in.analysis, &in.by, ENGINE_MONEY);
    struct whatif_question question = { .query = &query,
                                        .whatif = &in.whatif,
                                        .provider_at = 0,
                                        .model_at = 1,
                                        .low_micro = in.low_micro,
                                        .high_micro = in.high_micro };
    if (whatif_run(&question, &w, &err) < 0)
        return cli_fail(inv, &err);
    if (w.now.rows.len == 0) {
        print(inv, &w);
        analysis_note_empty(inv);
        return EXIT_OK;
    }
    if (!is_any_swapped(&w)) {
        err_set(&err, ERR_USAGE,
                "nothing in these ledgers used %s: weir analyze spend --by provider,model lists "
                "what was used",
                in.whatif.swap_count ? "a model of --model" : "anything");
        return cli_fail(inv, &err);
    }
    print(inv, &w);
    return complain(inv, &question, &w) ? EXIT_FINDINGS : EXIT_OK;
}

static const struct example examples[] = {
    {"weir analyze whatif --archive demo --model gpt-5-mini-2025-08-07=gemini/gemini-2.5-flash",
     "the cost of a move to another provider"                                                        },
    { "weir analyze whatif --archive demo --tier batch --where \"app = 'nightly-reports'\"",
     "what waiting for a batch would save"                                                           },
    { NULL,                                                                                      NULL},
};

const struct command command_analyze_whatif = {
    .path = "analyze whatif",
    .summary = "what the same use would have cost with other models or tiers",
    .operands = "",
    .options = options,
    .description =
        "Prices recorded use again, as if it had been of other models or in another service tier, "
        "at the prices of the day, with their long-context steps and your discounts. Groups are "
        "provider and model, and what --by adds; those that would be priced differently are "
        "shown, the others are in one line.\n"
        "\n"
        "What another model would have answered is not in an archive: answers as long as they "
        "were, and caches that hold as much, are assumed. Another tokenizer counts other tokens "
        "for the same text, so the cost is an interval: by default of 0.74 to 1.35 times the "
        "tokens, which spans published comparisons (Claude 3.5 counts 16 to 30 % more than GPT-4o, "
        "Claude Opus 4.7 up to 35 % more than 4.6), in either direction. Measure your own texts "
        "and say --tokens-ratio; 1 if the tokenizer stays. Pictures, searches and seconds are "
        "counted as they are.\n"
        "\n"
        "Notes say where the comparison is not even: cached input without a price of its own "
        "(counted at the input price), a tier without one (at the standard price), caches that "
        "cost extra to fill where nothing recorded says how much was filled, costs now that the "
        "provider reported. What has no price, now or then, or does not say what it used, "
        "is in no sum: the sums are of groups whose cost is known both times, are called so, and "
        "what is not in them is listed with its requests. In JSON changed, rest and all have "
        "requests, left_out_requests (not in the costs) and unknown_usage_requests.",
    .findings = "some of it has no price then",
    .examples = examples,
    .see_also = "weir-analyze-spend(1), weir-analyze-prices-show(1), weir-prices(5)",
    .run = run,
};
