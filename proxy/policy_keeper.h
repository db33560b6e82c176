/* policy_keeper - the parent's part of the policy: the memory that workers share, what budgets have
 * spent on disk, what a worker held that died, and what of it all is shown.
 */
#ifndef PROXY_POLICY_KEEPER_H
#define PROXY_POLICY_KEEPER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "proxy/log.h"
#include "proxy/proxy_conf.h"
#include "proxy/shared_state.h"

struct policy_keeper;

struct policy_keeper_options {
    struct loop *loop;
    const struct log_sink *log;
    const char *budgets_path;
};

/* c's policy must be made.  Before the first worker is forked. */
int policy_keeper_open(const struct policy_keeper_options *options, struct proxy_conf *c,
                       struct policy_keeper **ret, struct err *err);
/* Saves a last time. */
void policy_keeper_close(struct policy_keeper *k);
DEFINE_CLEANUP(struct policy_keeper, policy_keeper_close)
/* Another configuration, whose policy is made. */
void policy_keeper_use(struct policy_keeper *k, struct proxy_conf *c);
/* A worker has ended. */
void policy_keeper_forget(struct policy_keeper *k, int worker);
struct shared_state *policy_keeper_shared(const struct policy_keeper *k);

/* For /metrics, and members of a status object. */
void policy_keeper_metrics(struct policy_keeper *k, struct buf *out);
void policy_keeper_status(struct policy_keeper *k, struct buf *out);

#endif
