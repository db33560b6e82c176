/* actuator - what holds the share of an application's calls that goes to the gateway, and how it is
 * changed: weir's own proxy, nginx, HAProxy, Envoy, a file of environment variables, any program.
 *
 * The live state of an actuator is bytes (one file it owns, all applications in it) and what the
 * running program says it runs.  Both carry a marker, "e42-1b2c3d4e5f60": the epoch of the step and
 * a digest of the shares, so that the writer of what is live can be told.
 *
 * probe, render, check, apply and verify may be called again at any time: all of them come to the
 * same end however often.  None reads a clock: what waits is given until when.
 */
#ifndef MIGRATE_ACTUATOR_H
#define MIGRATE_ACTUATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define ACTUATOR_MARKER_BYTES 40
#define ACTUATOR_APPS_MAX     10000
#define ACTUATOR_BYTES_MAX    (16u << 20)

/* One application's traffic: share of ROLLOUT_ALL goes to `gateway`, the rest to `direct`. */
struct actuator_share {
    struct str app;
    struct str direct, gateway; /* upstreams, backends, clusters or base URLs, as the driver says */
    struct str key;             /* what keeps a caller on its side: "header.x-session", ... */
    int32_t share;
};

/* What can be said of a driver before anything is done. */
struct actuator_caps {
    int32_t resolution;  /* the smallest share and step, of ROLLOUT_ALL */
    bool is_sticky;      /* a key stays where it is, and a raised share moves none back */
    bool is_atomic;      /* all applications change at once */
    bool needs_reload;   /* the program is started anew, or its workers are */
    bool is_stream_safe; /* streams under way go on to their end */
    bool tells_running;  /* what runs can be asked; else only the archive shows it */
};

struct actuator_driver;

/* Settings as the plan has them: name and value, in its order; lists are joined by newlines. */
struct actuator_setting {
    struct str name, value;
};

struct actuator {
    const struct actuator_driver *driver;
    struct str name; /* in the plan */
    const struct actuator_setting *settings;
    size_t setting_count;
    struct str
        folder; /* of the plan: what paths in settings are relative to; "" = where weir runs */
};

/* What is live. */
struct actuator_live {
    struct buf bytes;   /* of its file; empty when there is none */
    bool is_there;      /* the file */
    bool is_running;    /* what runs was asked and answered */
    struct buf running; /* the marker of what runs; of several processes that differ "mixed"; with
                           the marker but other shares than the file "changed".  Without
                           is_running: why it could not be asked */
};
void actuator_live_release(struct actuator_live *l);
DEFINE_CLEANUP_VALUE(struct actuator_live, actuator_live_release)

/* Times, from a clock of the caller's. */
struct actuator_wait {
    int64_t (*now_us)(void *ctx); /* monotonic enough: never backwards */
    void (*sleep_us)(void *ctx, int64_t us);
    void *ctx;
    int64_t until_us;
};

struct actuator_form;
struct actuator_rules;

struct actuator_driver {
    const char *name;            /* "weir", "nginx", "haproxy", "envoy", "env", "exec" */
    struct actuator_caps caps;   /* without settings that say otherwise: see actuator_caps */
    const char *const *settings; /* all there are; required ones begin with '!'; NULL ends */
    /* How its bytes are written and what it takes, of those whose bytes are lines of text
     * (migrate/actuator_tools); NULL of others. */
    const struct actuator_form *form;
    const struct actuator_rules *rules;
    /* What settings make of caps; NULL = nothing.  They have been checked. */
    void (*set_caps)(const struct actuator *a, struct actuator_caps *caps);
    /* ERR_USAGE: a value that will not do; NULL = all will. */
    int (*admits_settings)(const struct actuator *a, struct err *err);
    /* What of a key, a share or a name it cannot do: ERR_USAGE; NULL = all is fine. */
    int (*admits)(const struct actuator *a, const struct actuator_share *s, struct err *err);
    int (*probe)(const struct actuator *a, struct actuator_live *ret, struct err *err);
    /* Pure: the same shares and epoch give the same bytes.  Shares come sorted by app. */
    int (*render)(const struct actuator *a, const struct actuator_share *shares, size_t count,
                  uint64_t epoch, struct buf *ret, struct err *err);
    /* The shares that bytes hold, for drift; strings in arena.  ERR_CORRUPT if they are not ours.
     */
    int (*parse)(const struct actuator *a, struct str bytes, struct arena *arena,
                 struct actuator_share **ret, size_t *ret_count, uint64_t *ret_epoch,
                 struct err *err);
    /* Whether the program would take them, before anything is changed; NULL = it cannot be asked.
     */
    int (*check)(const struct actuator *a, struct str bytes, const struct actuator_wait *wait,
                 struct err *err);
    /* Writes the file (atomically) and has the program take it up.  is_there false: no file. */
    int (*apply)(const struct actuator *a, struct str bytes, bool is_there,
                 const struct actuator_wait *wait, struct err *err);
};

/* NULL with ERR_USAGE and the nearest name. */
const struct actuator_driver *actuator_find_driver(struct str name, struct err *err);
/* Settings there are, and that nothing required is missing. */
int actuator_check_settings(const struct actuator *a, struct err *err);
struct str actuator_setting(const struct actuator *a, const char *name); /* "" if not set */
struct actuator_caps actuator_caps(const struct actuator *a);

/* "e42-1b2c3d4e5f60" over the shares (sorted by app): what render writes into the bytes. */
void actuator_marker(const struct actuator_share *shares, size_t count, uint64_t epoch,
                     char ret[static ACTUATOR_MARKER_BYTES]);

/* Waits until what runs says `marker` so many times in a row (on fresh connections), or until the
 * time is over: 1 it runs, 0 it does not (ret_seen says what does), -1 it cannot be asked.  A
 * driver that cannot tell what runs is 1 when its file is right. */
int actuator_verify(const struct actuator *a, const char *marker, struct str bytes, unsigned times,
                    const struct actuator_wait *wait, struct buf *ret_seen, struct err *err);

#endif
