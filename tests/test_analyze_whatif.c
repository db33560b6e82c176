#include "config.h"

#include "analyze/whatif.h"

#include "tests/check_main.h"

static struct err err;

static const struct swap_row {
    const char *text;
    size_t count; /* 0 = refused */
    enum provider from_provider, to_provider;
    const char *from, *to; /* of the last swap */
} swap_rows[] = {
    {"a=b",                        1, PROVIDER_UNKNOWN, PROVIDER_UNKNOWN,    "a",          "b"       },
    { " a = b ",                   1, PROVIDER_UNKNOWN, PROVIDER_UNKNOWN,    "a",          "b"       },
    { "gpt-5*=claude/claude-x",    1, PROVIDER_UNKNOWN, PROVIDER_ANTHROPIC,  "gpt-5*",     "claude-x"},
    { "openai/gpt-5=gpt-4.1",      2, PROVIDER_OPENAI,  PROVIDER_UNKNOWN,    "gpt-5",      "gpt-4.1" },
    { "qwen/qwen3=openrouter/q/r", 1, PROVIDER_UNKNOWN, PROVIDER_OPENROUTER, "qwen/qwen3", "q/r"     },
    { "a=",                        0, PROVIDER_UNKNOWN, PROVIDER_UNKNOWN,    NULL,         NULL      },
    { "=b",                        0, PROVIDER_UNKNOWN, PROVIDER_UNKNOWN,    NULL,         NULL      },
    { "a",                         0, PROVIDER_UNKNOWN, PROVIDER_UNKNOWN,    NULL,         NULL      },
    { "",                          0, PROVIDER_UNKNOWN, PROVIDER_UNKNOWN,    NULL,         NULL      },
};

START_TEST(a_swap_names_models_and_may_name_providers)
{
    const struct swap_row *row = &swap_rows[_i];
    struct engine_swap swaps[2];
    size_t count = 0;

    if (row->count == 0) {
        ck_assert_int_eq(whatif_parse_swap(str_from(row->text), swaps, &count, &err), -1);
        ck_assert_int_eq(err.code, ERR_USAGE);
        return;
    }
    ck_assert_int_eq(whatif_parse_swap(str_from(row->text), swaps, &count, &err), 0);
    ck_assert_uint_eq(count, row->count);
    const struct engine_swap *last = &swaps[count - 1];
    ck_assert(last->from_provider == row->from_provider && last->to_provider == row->to_provider);
    ck_assert(str_eq(last->from, str_from(row->from)));
    ck_assert(str_eq(last->to, str_from(row->to)));
}
END_TEST

static const struct ratio_row {
    const char *text;
    int64_t low, high; /* 0 = refused */
} ratio_rows[] = {
    {"1",              1000000, 1000000  },
    { "0.9..1.3",      900000,  1300000  },
    { "0.000001..100", 1,       100000000},
    { "1.3..0.9",      0,       0        },
    { "0..1",          0,       0        },
    { "-1..1",         0,       0        },
    { "1..",           0,       0        },
    { "..1",           0,       0        },
    { "1..100.1",      0,       0        },
    { "0.0000001",     0,       0        },
    { "much",          0,       0        },
};

START_TEST(a_ratio_is_a_number_or_an_interval)
{
    const struct ratio_row *row = &ratio_rows[_i];
    int64_t low = 0, high = 0;
    int r = whatif_parse_ratio(str_from(row->text), &low, &high, &err);

    ck_assert_msg(r == (row->low ? 0 : -1), "%s", row->text);
    if (r == 0) {
        ck_assert_int_eq(low, row->low);
        ck_assert_int_eq(high, row->high);
    }
}
END_TEST

START_TEST(the_first_swap_that_fits_counts)
{
    const struct engine_swap swaps[] = {
        {.from_provider = PROVIDER_OPENAI, .from = STR("gpt-5"),              .to = STR("one")},
        { .from = STR("gpt-*"),            .to_provider = PROVIDER_ANTHROPIC, .to = STR("two")},
    };
    const struct engine_whatif whatif = {
        .swaps = swaps, .swap_count = 2, .tier = STR("batch"), .tokens_micro = WHATIF_MICRO
    };
    struct price_query q = { .provider = PROVIDER_OPENAI, .model = STR("GPT-5"), .geo = STR("us") };

    ck_assert(engine_swap_query(&whatif, &q));
    ck_assert(str_eq(q.model, STR("one")) && str_eq(q.service_tier, STR("batch")));
    ck_assert(q.provider == PROVIDER_OPENAI && str_eq(q.geo, STR("us")));
    q = (struct price_query){ .provider = PROVIDER_AZURE_OPENAI,
                              .model = STR("gpt-5"),
                              .geo = STR("us"),
                              .variant = PRICE_VARIANT_LONG };
    ck_assert(engine_swap_query(&whatif, &q));
    ck_assert(str_eq(q.model, STR("two")) && q.provider == PROVIDER_ANTHROPIC && q.geo.len == 0);
    ck_assert(str_eq(q.variant, PRICE_VARIANT_LONG));
    q = (struct price_query){ .provider = PROVIDER_OPENAI, .model = STR("o3") };
    ck_assert(!engine_swap_query(&whatif, &q));
    ck_assert(str_eq(q.model, STR("o3")) && q.service_tier.len == 0);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_swap_names_models_and_may_name_providers, 0, ARRAY_LEN(swap_rows));
    tcase_add_loop_test(tc, a_ratio_is_a_number_or_an_interval, 0, ARRAY_LEN(ratio_rows));
    tcase_add_test(tc, the_first_swap_that_fits_counts);
}
CHECK_MAIN("analyze/whatif", add_tests)
