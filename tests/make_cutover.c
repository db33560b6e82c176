/* make_cutover FOLDER [unsealed] - a cutover to judge: FOLDER/programme.yaml, FOLDER/tour.rollout
 * and FOLDER/traffic, with three applications that got to 50 % on 2026-10-05: "good" whose gateway
 * is as its provider, "bad" whose gateway fails twice as often, "quiet" of which little is known
 * yet. unsealed: a call of that hour waits to be sealed.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/verdict_sample.h"

static const char plan[] =
    "programme: {name: tour, start: 2026-10-05, archive: ./traffic}\n"
    "actuators: {proxy: {driver: weir, file: ./cutover.yaml, socket: ./weir.sock}}\n"
    "defaults:\n"
    "  actuator: proxy\n"
    "  direct: openai\n"
    "  gateway: litellm\n"
    "  key: header.x-session\n"
    "  stages: [5%, 50%, 100%]\n"
    "  gates: [{metric: error, min_units: 100, min_time: 1h, cap: 30%}]\n"
    "apps: {bad: {}, good: {}, quiet: {}}\n";

static bool has_unsealed;

/* Every fifth (or gateway_every-th) call fails. */
struct traffic {
    const char *app;
    uint64_t epoch;
    int calls, gateway_every;
};

static void add_traffic(struct sample *s, const struct traffic *t)
{
    for (int i = 0; i < t->calls; i++) {
        char unit[32];
        bool on_gateway = i % 2;
        bool fails = i / 2 % (on_gateway ? t->gateway_every : 20) == 0;
        snprintf(unit, sizeof(unit), "%08x", (unsigned)i);
        sample_call(
            s, &(struct sample_call){ .app = t->app,
                                      .at_us = T0 + HOUR + i * US_PER_SECOND,
                                      .on_gateway = on_gateway,
                                      .epoch = t->epoch,
                                      .share = 5000,
                                      .unit = unit,
                                      .status = fails ? 503 : 200,
                                      .error = fails ? ERROR_CLASS_STATUS_5XX : ERROR_CLASS_NONE });
    }
}

static void leave_unsealed(const struct archive *a)
{
    struct journal_writer *j;
    struct journal_frame begin = { .type = JOURNAL_BEGIN, .sequence = 1, .at_us = (uint64_t)T0 };

    ck_ok(archive_journal_create(a, "p", T0, JOURNAL_RELAXED, &j, &sample_err));
    ck_ok(journal_append(j, &begin, &sample_err));
    ck_ok(journal_close(j, &sample_err));
}

/* A test only in that what it stands on says what went wrong. */
START_TEST(a_cutover_is_made)
{
    struct sample s;
    FILE *file = fopen(temp_path("programme.yaml"), "w");

    ck_assert_msg(file && fputs(plan, file) >= 0 && fclose(file) == 0, "cannot write the plan");
    sample_begin_in(&s, plan, "tour.rollout");
    uint64_t good = sample_step(&s, "good", 0, 5000, T0, true);
    uint64_t bad = sample_step(&s, "bad", 0, 5000, T0 + 300 * US_PER_SECOND, true);
    uint64_t quiet = sample_step(&s, "quiet", 0, 5000, T0 + 600 * US_PER_SECOND, true);
    sample_ledger(&s, T0);
    add_traffic(&s, &(struct traffic){ "good", good, 6000, 20 });
    add_traffic(&s, &(struct traffic){ "bad", bad, 6000, 10 });
    add_traffic(&s, &(struct traffic){ "quiet", quiet, 90, 20 });
    sample_seal(&s);
    if (has_unsealed)
        leave_unsealed(s.archive);
    sample_end(&s);
}
END_TEST

int main(int argc, char **argv)
{
    has_unsealed = argc == 3 && strcmp(argv[2], "unsealed") == 0;
    if (argc != 2 + has_unsealed || strlen(argv[1]) >= sizeof(temp_folder)) {
        fprintf(stderr, "usage: make_cutover FOLDER [unsealed]\n");
        return EXIT_FAILURE;
    }
    snprintf(temp_folder, sizeof(temp_folder), "%s", argv[1]);
    TCase *tc = tcase_create("make_cutover");
    tcase_add_test(tc, a_cutover_is_made);
    Suite *suite = suite_create("make_cutover");
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_MINIMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
