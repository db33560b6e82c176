/* cutover - which part of an application's calls goes to the gateway instead: the file that
 * `weir migrate` writes and `weir proxy` follows.  weir-cutover(5).
 *
 *     # weir cutover 1: written by weir migrate
 *     epoch: 42
 *     marker: e42-1b2c3d4e5f60
 *     apps:
 *       support-bot: {direct: openai, gateway: litellm, key: header.x-session, share: 5%}
 *
 * A caller is its key; its bucket is a hash of application and key, from 0 to 9999, and it goes to
 * the gateway while the bucket is below the share: raising a share moves nobody back, lowering it
 * to 0 moves all.  A call without a key goes directly, as an empty key would send all such calls
 * one way at once, until the share is 100%: then everything goes to the gateway.
 */
#ifndef POLICY_CUTOVER_H
#define POLICY_CUTOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define CUTOVER_ALL       10000 /* shares are in hundredths of a percent */
#define CUTOVER_BYTES_MAX (16u << 20)
#define CUTOVER_APPS_MAX  10000

enum cutover_key_kind {
    CUTOVER_KEY_HEADER,   /* "header.NAME" */
    CUTOVER_KEY_USER,     /* "end_user": what providers' request bodies name so */
    CUTOVER_KEY_METADATA, /* "metadata.NAME" of the body */
    CUTOVER_KEY_KEY_ID,   /* "key_id": the caller's credential */
    CUTOVER_KEY_ADDRESS,  /* "client_address" */
    CUTOVER_KEY_REQUEST,  /* "request": each by itself; not sticky */
};

struct cutover_key {
    enum cutover_key_kind kind;
    struct str name; /* of HEADER, lower case, and METADATA */
};

struct cutover_app {
    struct str app;
    struct str direct, gateway; /* upstreams */
    struct cutover_key key;
    int32_t share;         /* of CUTOVER_ALL */
    uint32_t line, column; /* where it was read; 0 = nowhere */
};

struct cutover {
    uint64_t epoch;
    struct str marker;
    const struct cutover_app *apps; /* sorted by app; an app comes once per direct upstream */
    size_t app_count;
    struct arena arena;
};

/* name is what messages call the input: errors are name:line:column. */
int cutover_parse(struct str text, const char *name, struct cutover **ret, struct err *err);
void cutover_free(struct cutover *c);
DEFINE_CLEANUP(struct cutover, cutover_free)

/* The same apps, epoch and marker give the same bytes; cutover_parse reads them back. */
void cutover_render(const struct cutover_app *apps, size_t count, uint64_t epoch, struct str marker,
                    struct buf *out);

bool cutover_key_parse(struct str text, struct cutover_key *ret);
void cutover_key_add(struct cutover_key key, struct buf *out);

/* The entry for calls of app to upstream (as it is asked for), or NULL. */
const struct cutover_app *cutover_find(const struct cutover *c, struct str app,
                                       struct str upstream);
/* Below CUTOVER_ALL; of an empty key CUTOVER_ALL: below no share. */
uint32_t cutover_bucket(struct str app, struct str key);
/* Whether a call with that key goes to the gateway. */
bool cutover_moves(const struct cutover_app *a, struct str key);

#endif
