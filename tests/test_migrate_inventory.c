/* What recorded traffic says of the applications that are to move. */
#include "config.h"

#include "migrate/inventory.h"

#include <string.h>

#include "check_main.h"

static const struct {
    const char *model;
    bool pinned;
} models[] = {
    {"gpt-5-2025-08-07",                             true },
    { "claude-sonnet-4-5-20250929",                  true },
    { "eu.anthropic.claude-haiku-4-5-20251001-v1:0", true },
    { "gpt-5",                                       false},
    { "gpt-4-0613",                                  false},
    { "claude-sonnet-4-5",                           false},
    { "model-120250929",                             false},
    { "model-202509291",                             false},
    { "",                                            false},
    { "2025",                                        false},
    { "2025-08-0",                                   false},
};

START_TEST(a_model_with_a_date_in_its_name_is_hard_coded)
{
    ck_assert_msg(inventory_is_pinned(str_from(models[_i].model)) == models[_i].pinned, "%s",
                  models[_i].model);
}
END_TEST

static const struct {
    const char *tool;
    bool writes;
} tools[] = {
    {"create_ticket",      true },
    { "sendMail",          true },
    { "send-mail",         true },
    { "DeleteUser",        true },
    { "crm.update.record", true },
    { "get_weather",       false},
    { "searchOrders",      false}, /* "orders" is a thing, "order" something done */
    { "lookup",            false},
    { "settings_read",     false},
    { "",                  false},
    { "___",               false},
};

START_TEST(a_tool_whose_name_says_that_it_changes_something_is_told)
{
    ck_assert_msg(inventory_writes(str_from(tools[_i].tool)) == tools[_i].writes, "%s",
                  tools[_i].tool);
}
END_TEST

static const struct {
    const char *agent, *sdk;
} agents[] = {
    {"riverbank-support/4.2 OpenAI/JS 5.12",             "OpenAI/JS 5.12"         },
    { "OpenAI/Python 1.99.1",                            "OpenAI/Python 1.99.1"   },
    { "AsyncOpenAI/Python 1.99.1 x",                     "OpenAI/Python 1.99.1"   },
    { "Anthropic/JS 0.60.0",                             "Anthropic/JS 0.60.0"    },
    { "Boto3/1.40.1 md/Botocore#1.40.1 ua/2.1 os/linux", "Boto3/1.40.1"           },
    { "google-genai-sdk/1.29.0 gl-python/3.12",          "google-genai-sdk/1.29.0"},
    { "curl/8.5.0",                                      ""                       },
    { "",                                                ""                       },
    { "OpenAI/",                                         "OpenAI/"                },
};

START_TEST(the_sdk_and_its_version_are_taken_from_the_user_agent)
{
    struct str sdk = inventory_sdk(str_from(agents[_i].agent));

    ck_assert_msg(str_eq(sdk, str_from(agents[_i].sdk)), "%s: %.*s", agents[_i].agent,
                  STR_ARG(sdk));
}
END_TEST

/* An application as inventory_count leaves it. */
static struct inventory_app *add_app(struct inventory *inv, const char *name)
{
    struct inventory_app *a = mem_calloc(1, sizeof(*a));

    a->name = str_from(name);
    a->owner = a->team = a->environment = STR("");
    a->requests = a->chat = 10000;
    a->known_sdk = a->requests;
    a->errors = 100;
    a->first_us = 0;
    a->last_us = 10 * US_PER_DAY;
    for (int64_t d = 0; d < 10; d++)
        vec_push(&a->days, (struct inventory_day){ .day = d, .requests = 1000, .errors = 10 });
    sketch_add(&a->duration_us, 2 * US_PER_SECOND);
    vec_push(&inv->apps, a);
    return a;
}

START_TEST(the_risk_is_the_sum_of_weighted_points_and_names_what_weighs_most)
{
    CLEANUP(inventory_release) struct inventory inv = { 0 };
    struct inventory_app *calm = add_app(&inv, "calm"), *wild = add_app(&inv, "wild");

    calm->owner = STR("ana");
    calm->environment = STR("staging");
    wild->streams = wild->tools = wild->requests;
    wild->tool_bodies = 5;
    inventory_note(&inv, wild, INVENTORY_WRITERS, STR("delete_user"), 5);
    wild->days.ptr[3].errors = 91;
    inventory_weigh(&inv);

    /* Owner 1 x 2, data 1 x 2, error texts 1, and at 1 % of 1000 calls more than a week: 1. */
    ck_assert_int_eq(calm->risk.points[INVENTORY_VOLUME], 1);
    ck_assert_int_eq(calm->risk.score, 6);
    ck_assert_int_eq(calm->risk.level, PROGRAMME_RISK_LOW);
    ck_assert_uint_eq(calm->risk.unknown_count, 2);
    ck_assert(calm->risk.unknown[INVENTORY_DATA] && calm->risk.unknown[INVENTORY_ERROR_TEXT]);

    /* Audience 2, volume 1, streaming 3, structure 6, effects 6, data 2, owner 6, texts 1,
     * bursts 3. */
    ck_assert_int_eq(wild->risk.points[INVENTORY_EFFECTS], 3);
    ck_assert_int_eq(wild->risk.points[INVENTORY_BURSTS], 3);
    ck_assert_int_eq(wild->risk.score, 30);
    ck_assert_int_eq(wild->risk.level, PROGRAMME_RISK_HIGH);
    ck_assert_int_eq(wild->risk.order[0], INVENTORY_STRUCTURE);
    ck_assert_int_eq(wild->risk.order[1], INVENTORY_EFFECTS);
    ck_assert_int_eq(wild->risk.order[2], INVENTORY_OWNER);
    ck_assert_str_eq(wild->risk.why[INVENTORY_EFFECTS].ptr,
                     "tools that change something: delete_user");
}
END_TEST

START_TEST(the_configuration_can_only_raise_a_risk)
{
    CLEANUP(inventory_release) struct inventory inv = { 0 };
    struct inventory_app *high = add_app(&inv, "high"), *low = add_app(&inv, "low");

    high->declared = PROGRAMME_RISK_HIGH;
    high->owner = STR("ana");
    low->declared = PROGRAMME_RISK_LOW;
    inventory_weigh(&inv);
    ck_assert_int_eq(high->risk.level, PROGRAMME_RISK_HIGH);
    ck_assert_int_eq(low->risk.level, PROGRAMME_RISK_MEDIUM);
}
END_TEST

START_TEST(an_application_nobody_saw_is_no_harmless_one)
{
    CLEANUP(inventory_release) struct inventory inv = { 0 };
    struct inventory_app *a = add_app(&inv, "ghost");

    a->requests = a->errors = a->chat = a->known_sdk = 0;
    vec_clear(&a->days);
    sketch_release(&a->duration_us);
    a->duration_us = (struct sketch){ 0 };
    inventory_weigh(&inv);
    ck_assert_int_eq(a->risk.points[INVENTORY_VOLUME], 3);
    ck_assert_str_eq(a->risk.why[INVENTORY_VOLUME].ptr, "nothing of it was recorded");
    ck_assert_uint_eq(a->risk.unknown_count, 6);
    ck_assert_int_ge(a->risk.level, PROGRAMME_RISK_MEDIUM);
}
END_TEST

START_TEST(a_list_keeps_its_order_and_has_an_end)
{
    CLEANUP(inventory_release) struct inventory inv = { 0 };
    struct inventory_app *a = add_app(&inv, "a");
    CLEANUP(buf_release) struct buf name = { 0 };

    for (int i = 0; i < INVENTORY_ITEMS_MAX + 10; i++) {
        buf_clear(&name);
        buf_addf(&name, "m%d", i);
        inventory_note(&inv, a, INVENTORY_MODELS, buf_str(&name), 1);
    }
    inventory_note(&inv, a, INVENTORY_MODELS, STR("m7"), 5);
    inventory_sort_list(&a->lists[INVENTORY_MODELS]);
    ck_assert_uint_eq(a->lists[INVENTORY_MODELS].items.len, INVENTORY_ITEMS_MAX);
    ck_assert_int_eq(a->lists[INVENTORY_MODELS].others, 10);
    ck_assert_str_eq(a->lists[INVENTORY_MODELS].items.ptr[0].name.ptr, "m7");
    ck_assert_int_eq(a->lists[INVENTORY_MODELS].items.ptr[0].requests, 6);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_model_with_a_date_in_its_name_is_hard_coded, 0,
                        (int)ARRAY_LEN(models));
    tcase_add_loop_test(tc, a_tool_whose_name_says_that_it_changes_something_is_told, 0,
                        (int)ARRAY_LEN(tools));
    tcase_add_loop_test(tc, the_sdk_and_its_version_are_taken_from_the_user_agent, 0,
                        (int)ARRAY_LEN(agents));
    tcase_add_test(tc, the_risk_is_the_sum_of_weighted_points_and_names_what_weighs_most);
    tcase_add_test(tc, the_configuration_can_only_raise_a_risk);
    tcase_add_test(tc, an_application_nobody_saw_is_no_harmless_one);
    tcase_add_test(tc, a_list_keeps_its_order_and_has_an_end);
}

CHECK_MAIN("migrate/inventory", add_tests)
