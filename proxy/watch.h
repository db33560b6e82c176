/* watch - tells when one of some files has become another.
 *
 * What counts is what a path leads to in the end: a file written in place, another renamed over it,
 * or a symbolic link on the way turned elsewhere, as Kubernetes does with ConfigMaps and Secrets.
 * The folders are watched (inotify), and because that says nothing on some file systems, the files
 * are looked at every WATCH_POLL_US as well.  Several changes within WATCH_QUIET_US are one.
 */
#ifndef PROXY_WATCH_H
#define PROXY_WATCH_H

#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"

#define WATCH_POLL_US  UINT64_C(10000000)
#define WATCH_QUIET_US UINT64_C(50000)
#define WATCH_WAIT_US  UINT64_C(500000) /* at most, while changes go on */

struct watch;

/* Watches nothing yet.  fn is called on l. */
int watch_open(struct loop *l, void (*fn)(void *ctx), void *ctx, struct watch **ret,
               struct err *err);
void watch_close(struct watch *w);
DEFINE_CLEANUP(struct watch, watch_close)
/* In a child process, which shares the loop's descriptors: closes its copy, and nothing else. */
void watch_close_inherited(const struct watch *w);
/* Which files from now on (a missing one is a change once it is there).  Known ones are compared
 * with what they were when fn was last called, so that a change while fn read them is not missed.
 */
void watch_set(struct watch *w, const struct str *paths, size_t count);

#endif
