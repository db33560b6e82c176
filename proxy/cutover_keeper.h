/* cutover_keeper - the parent's part of a cutover: its file, read and watched, and the text of what
 * the workers follow.
 *
 * It stands apart from the configuration, so that a mistake there does not keep a cutover from
 * changing, least of all from being taken back.
 */
#ifndef PROXY_CUTOVER_KEEPER_H
#define PROXY_CUTOVER_KEEPER_H

#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"
#include "proxy/log.h"
#include "proxy/proxy_conf.h"
#include "proxy/stats.h"

struct cutover_keeper;

struct cutover_keeper_options {
    struct loop *loop;
    const struct log_sink *log;
    struct proxy_stats *stats;
    void (*tell)(void *ctx, struct str text); /* workers follow it from now on */
    void *ctx;
};

/* Reads the file of c, which a bad one fails. */
int cutover_keeper_open(const struct cutover_keeper_options *options, struct proxy_conf *c,
                        struct cutover_keeper **ret, struct err *err);
void cutover_keeper_close(struct cutover_keeper *k);
DEFINE_CLEANUP(struct cutover_keeper, cutover_keeper_close)
/* In a child process: watch_close_inherited. */
void cutover_keeper_close_inherited(const struct cutover_keeper *k);
/* What is followed; "" = nobody is moved. */
struct str cutover_keeper_text(const struct cutover_keeper *k);

/* Another configuration is to come: -1 if what is followed does not fit it.  Where it names another
 * file, that is what counts.  Then, once workers have it, _use. */
int cutover_keeper_fit(struct cutover_keeper *k, const struct proxy_conf *c, struct err *err);
void cutover_keeper_use(struct cutover_keeper *k, struct proxy_conf *c);
/* Looks at the file. */
void cutover_keeper_read(struct cutover_keeper *k);

#endif
