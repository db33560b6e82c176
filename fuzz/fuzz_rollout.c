/* Arbitrary bytes as a rollout's ledger: what is taken is spelled again as it was, and folded.  An
 * input whose first byte is odd has its numbers, links and hashes made right first, so that
 * mutations reach what lies behind them. */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "migrate/portfolio.h"
#include "migrate/rollout_inside.h"
#include "migrate/rollout_line.h"

#define PREV ",\"prev\":\""
#define HASH ",\"hash\":\""
#define HEX  (ROLLOUT_SHA_BYTES - 1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The line with another number, link and hash; as it is where it has no place for them. */
static void mend_line(struct str line, unsigned number, char prev[static ROLLOUT_SHA_BYTES],
                      struct buf *out)
{
    size_t from = out->len;
    ptrdiff_t at = str_find(line, STR(PREV), 0), end = str_find(line, STR(HASH), 0);
    uint8_t sha[SHA256_BYTES];

    if (at < 0 || end < at + (ptrdiff_t)(sizeof(PREV) - 1 + HEX)) {
        buf_add_str(out, line);
        return;
    }
    buf_addf(out, "{\"seq\":%u" PREV "%s", number, prev);
    size_t rest = (size_t)at + sizeof(PREV) - 1 + HEX;
    buf_add_str(out, str_sub(line, rest, (size_t)end - rest));
    sha256_of(str_sub(buf_str(out), from, SIZE_MAX), sha);
    buf_addf(out, HASH "%s\"}", hex_encode(sha, sizeof(sha), prev));
}

static void mend(struct str bytes, struct buf *out)
{
    char prev[ROLLOUT_SHA_BYTES];
    struct str line;
    unsigned number = 0;

    memcpy(prev, rollout_no_hash, sizeof(prev));
    while (str_find_char(bytes, '\n', 0) >= 0 && str_split(&bytes, '\n', &line)) {
        mend_line(line, ++number, prev, out);
        buf_add_byte(out, '\n');
    }
    buf_add_str(out, bytes);
}

/* Every entry, spelled again, makes up what was read. */
static void check_spelling(const struct rollout *r)
{
    CLEANUP(buf_release) struct buf again = { 0 };
    struct str prev = str_from(rollout_no_hash);

    for (size_t i = 0; i < rollout_count(r); i++) {
        struct rollout_line line = { .entry = *rollout_at(r, i), .prev = prev };
        rollout_line_format(&line, &again);
        buf_add_byte(&again, '\n');
        prev = line.entry.hash;
    }
    if (!str_eq(buf_str(&again), str_sub(buf_str(&r->file), 0, again.len))) {
        fprintf(stderr, "an entry was read that weir would spell otherwise\n");
        abort();
    }
}

static void check_portfolio(const struct rollout *r)
{
    static const struct programme_app apps[] = {
        {.name = STR_INIT("chat"),    .stages = { { ROLLOUT_ALL, 1 } }, .stage_count = 1},
        { .name = STR_INIT("search"), .stages = { { ROLLOUT_ALL, 1 } }, .stage_count = 1},
    };
    static const struct programme programme = { .apps = apps, .app_count = ARRAY_LEN(apps) };
    CLEANUP(portfolio_free) struct portfolio *p = NULL;
    struct err err;

    if (portfolio_read(&programme, r, &p, &err) < 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(apps); i++)
        if (portfolio_good_share(&p->apps[i]) > p->apps[i].share) {
            fprintf(stderr, "a rollback would raise a share\n");
            abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(rollout_close) struct rollout *r = rollout_new("nowhere");
    struct str bytes = { (const char *)data + 1, size ? size - 1 : 0 };
    struct err err;

    if (size && data[0] & 1)
        mend(bytes, &r->file);
    else if (size)
        buf_add_str(&r->file, bytes);
    (void)rollout_take_lines(r, &err);
    check_spelling(r);
    check_portfolio(r);
    return 0;
}
