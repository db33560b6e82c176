/* A baseline that is remembered from one look to the next. */
#include "config.h"

#include "migrate/baseline.h"

#include <stdio.h>

#include "tests/check_main.h"
#include "tests/verdict_sample.h"

static const char plan[] =
    "programme: {name: g, start: 2026-10-05}\n"
    "actuators: {proxy: {driver: weir, file: ./cutover.yaml, socket: ./weir.sock}}\n"
    "defaults: {actuator: proxy, direct: openai, gateway: litellm, key: header.x-session}\n"
    "apps: {bot: {gates: [{metric: exceed_total, min_units: 10, min_time: 1h}]}}\n";

static void add_baseline(struct sample *s)
{
    sample_ledger(s, T0 - 3 * DAY);
    for (int i = 0; i < 2000; i++)
        sample_call(s, &(struct sample_call){ .at_us = T0 - 3 * DAY + i * US_PER_SECOND,
                                              .total_us = (i % 1000 + 1) * 1000 });
    sample_seal(s);
}

static void judge_with(const struct sample *s, struct baselines *b, struct buf *ret_json)
{
    const struct programme_app *app = programme_find_app(s->programme, STR("bot"));
    struct verdict_input in = sample_input(s, T0 + DAY);
    struct verdict *v = NULL;

    buf_clear(ret_json);
    in.baselines = b;
    if (verdict_judge(&in, &app, 1, &v, &sample_err) < 0)
        return;
    verdict_print_json(v, ret_json);
    verdict_free(v, 1);
}

/* The first ledger's bytes, which are no longer what was sealed. */
static void damage(const char *path, size_t at)
{
    FILE *f = fopen(path, "r+b");
    int c;

    ck_assert_ptr_nonnull(f);
    ck_assert(fseek(f, (long)at, SEEK_SET) == 0 && (c = fgetc(f)) != EOF);
    ck_assert(fseek(f, (long)at, SEEK_SET) == 0 && fputc(c ^ 1, f) != EOF && fclose(f) == 0);
}

START_TEST(a_remembered_baseline_changes_no_byte_and_is_not_read)
{
    CLEANUP(buf_release) struct buf plain = { 0 }, first = { 0 }, second = { 0 };
    CLEANUP(baselines_release) struct baselines fresh = { 0 }, kept = { 0 }, bad = { 0 };
    struct sample s;
    char path[400];

    sample_begin(&s, plan);
    add_baseline(&s);
    snprintf(path, sizeof(path), "%s", s.ledger_path);
    uint64_t epoch = sample_step(&s, "bot", 0, 5000, T0 + DAY / 2, true);
    sample_ledger(&s, T0 + DAY);
    sample_call(&s, &(struct sample_call){ .at_us = T0 + DAY - HOUR,
                                           .on_gateway = true,
                                           .epoch = epoch,
                                           .share = 5000,
                                           .unit = "u",
                                           .total_us = 900 * 1000 });
    sample_seal(&s);
    judge_with(&s, NULL, &plain);
    baselines_read(temp_folder, &fresh);
    judge_with(&s, &fresh, &first);
    ck_assert(fresh.is_changed);
    ck_ok(baselines_write(temp_folder, &fresh, &sample_err));
    baselines_read(temp_folder, &kept);
    judge_with(&s, &kept, &second);
    ck_assert(!kept.is_changed);
    ck_assert(plain.len > 0 && str_eq(buf_str(&plain), buf_str(&first)));
    ck_assert(str_eq(buf_str(&plain), buf_str(&second)));
    damage(path, 100); /* of which nothing is asked any more, */
    judge_with(&s, &kept, &second);
    ck_assert(str_eq(buf_str(&plain), buf_str(&second)));
    judge_with(&s, NULL, &second); /* but by whoever acts */
    ck_assert(second.len == 0 && sample_err.code == ERR_CORRUPT);
    snprintf(path, sizeof(path), "%s/" BASELINE_FILE, temp_folder);
    damage(path, 100);
    baselines_read(temp_folder, &bad);
    ck_assert_uint_eq(bad.list.len, 0);
    judge_with(&s, &bad, &second);
    ck_assert_uint_eq(second.len, 0);
    sample_end(&s);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_test(tc, a_remembered_baseline_changes_no_byte_and_is_not_read);
}

CHECK_MAIN("migrate/baseline", add_tests)
