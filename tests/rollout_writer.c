/* rollout_writer - makes steps in a rollout, for tests/test_migrate_rollout_crash, which has it
 * killed and its disk fail: rollout_writer FOLDER FROM TO
 *
 * Entry i, from 1 on, is kind HELD with value i and a blob "blob i"; "i\n" goes to stdout once it
 * is acknowledged.  What is there already is not written again.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "migrate/rollout.h"

#define AT_US INT64_C(1790000000000000)

/* Whether an entry of that value is there. */
static bool has(const struct rollout *r, int64_t value)
{
    for (size_t i = 0; i < rollout_count(r); i++)
        if (rollout_at(r, i)->kind == ROLLOUT_HELD && rollout_at(r, i)->value == value)
            return true;
    return false;
}

static int write_one(struct rollout *r, int64_t value, struct err *err)
{
    char text[40], sha[ROLLOUT_SHA_BYTES];

    snprintf(text, sizeof(text), "blob %" PRId64 "\n", value);
    if (rollout_put_blob(r, str_from(text), sha, err) < 0)
        return -1;
    return rollout_append(r,
                          &(struct rollout_entry){ .kind = ROLLOUT_HELD,
                                                   .at_us = AT_US + value,
                                                   .value = value,
                                                   .evidence = str_from(sha) },
                          err);
}

static int run(const char *folder, int64_t from, int64_t to, struct err *err)
{
    CLEANUP(rollout_close) struct rollout *r = NULL;

    if (rollout_open(folder, ROLLOUT_WRITE, STR("writer@host"), AT_US, &r, err) < 0)
        return -1;
    for (int64_t i = from; i <= to; i++) {
        if (has(r, i))
            continue;
        if (write_one(r, i, err) < 0)
            return -1;
        /* Not counted by faultfs, as stdout is not. */
        dprintf(STDOUT_FILENO, "%" PRId64 "\n", i);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct err err;

    if (argc != 4)
        return 2;
    if (run(argv[1], atoll(argv[2]), atoll(argv[3]), &err) == 0)
        return 0;
    fprintf(stderr, "%s\n", err.text);
    return 1;
}
