/* A disk that is full stops no rollback. */
#include "config.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check_main.h"
#include "migrate/step.h"
#include "migrate/watch.h"
#include "tests/step_sample.h"

static const char plan[] = "programme: {name: g, start: 2026-10-05}\n"
                           "actuators: {edge: {driver: weir, file: ./c.yaml, socket: ./s.sock}}\n"
                           "defaults: {actuator: edge, direct: a, gateway: b, key: header.x-id}\n"
                           "apps: {bot: {owner: ana, stages: [5%, 100%]}}\n";

/* Up to 5 %, or back. */
static int move(const struct step_context *c, enum rollout_why why, struct buf *ret_why)
{
    bool is_up = why == ROLLOUT_ADVANCE;
    const struct rollout_move moves[] = {
        {STR_INIT("bot"), is_up ? 0 : 500, is_up ? 500 : 0}
    };
    const struct step_wanted w = {
        .actuator = &c->programme->actuators[0], .why = why, .moves = moves, .move_count = 1
    };
    enum step_result result = STEP_NOTHING;
    struct err err;

    if (step_run(c, &w, &result, ret_why, &err) == 0)
        return result == STEP_DONE ? 0 : -1;
    buf_add_text(ret_why, err.text);
    return -1;
}

/* Back, as who watches does it: with a verdict. */
static int go_back_by_watch(const struct step_context *c, struct buf *ret_why)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct portfolio_app place = { .app = &c->programme->apps[0] };
    const struct verdict verdict = { .app = STR("bot"), .why = STR("error: too many") };
    struct watch_app app = {
        .decision = {.app = &place,
                     .action = DECIDE_ROLLBACK,
                     .from = 500,
                     .reason = verdict.why},
        .verdict = &verdict,
        .is_chosen = true,
    };

    watch_act(c, DECIDE_ROLLBACK, &app, 1, &arena);
    buf_add_str(ret_why, app.said);
    return app.end == WATCH_DONE ? 0 : -1;
}

enum way { BY_HAND, BY_WATCH, WITHOUT_RESERVE, WAY_COUNT };

#define NOT_ALLOWED 77

static int put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

    close(fd);
    return n < 0 ? -1 : 0;
}

/* As root of a namespace of our own, if we are not root as it is. */
static int become_free_to_mount(void)
{
    char users[40], groups[40];

    snprintf(users, sizeof(users), "0 %u 1", (unsigned)geteuid());
    snprintf(groups, sizeof(groups), "0 %u 1", (unsigned)getegid());
    if (geteuid() == 0)
        return unshare(CLONE_NEWNS);
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 || put("/proc/self/setgroups", "deny") < 0 ||
        put("/proc/self/uid_map", users) < 0)
        return -1;
    return put("/proc/self/gid_map", groups);
}

/* A small disk where the rollout is; -1 = we may not. */
static int mount_small(const char *folder)
{
    if (become_free_to_mount() < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -1;
    mkdir(folder, 0700);
    return mount("none", folder, "tmpfs", 0, "size=6m");
}

static void fill(const char *folder)
{
    static const char block[4096];
    char path[400];

    snprintf(path, sizeof(path), "%s/filler", folder);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    while (write(fd, block, sizeof(block)) > 0)
        ;
    close(fd);
}

/* In a process of its own.  What went wrong, "" = nothing, NULL = not allowed. */
static const char *roll_back_on_a_full_disk(enum way way)
{
    bool has_reserve = way != WITHOUT_RESERVE;
    struct programme *p = sample_programme(plan);
    CLEANUP(buf_release) struct buf why = { 0 };
    struct rollout_audit audit;
    char reserve[400];
    struct err err;

    if (mount_small(p->rollout.ptr) < 0)
        return NULL;
    struct rollout *rollout = sample_open(p);
    struct step_context c = sample_context(p, rollout);
    snprintf(reserve, sizeof(reserve), "%s/" ROLLOUT_RESERVE_FILE, p->rollout.ptr);
    if (move(&c, ROLLOUT_ADVANCE, &why) < 0 || access(reserve, F_OK) < 0)
        return "no advance, or no reserve after it";
    if (!has_reserve)
        unlink(reserve);
    fill(p->rollout.ptr);
    int r = way == BY_WATCH ? go_back_by_watch(&c, &why) : move(&c, ROLLOUT_ROLLBACK, &why);
    if (has_reserve && (r < 0 || sample_live("bot") != 0 || access(reserve, F_OK) == 0))
        return "no rollback, or the reserve is still there";
    if (!has_reserve && (r == 0 || sample_live("bot") != 500 ||
                         str_find(buf_str(&why), STR("No space left"), 0) < 0))
        return "a rollback that could not be written was made";
    rollout_close(rollout);
    if (rollout_verify(p->rollout.ptr, STR(""), &audit, &err) != 0)
        return "the history is damaged";
    return "";
}

START_TEST(a_rollback_has_room_on_a_disk_that_is_full)
{
    int status;

    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        const char *wrong = roll_back_on_a_full_disk((enum way)_i);
        if (wrong && *wrong)
            puts(wrong);
        fflush(stdout);
        _exit(!wrong ? NOT_ALLOWED : *wrong ? 1 : 0);
    }
    ck_assert(child > 0 && waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_ALLOWED)
        puts("SKIP a_rollback_has_room_on_a_disk_that_is_full: no disk may be mounted here");
    else
        ck_assert_int_eq(status, 0);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, sample_make, sample_remove);
    tcase_add_loop_test(tc, a_rollback_has_room_on_a_disk_that_is_full, 0, WAY_COUNT);
}

CHECK_MAIN("migrate/rollout_reserve", add_tests)
