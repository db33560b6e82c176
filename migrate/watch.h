/* watch - all applications looked at once: judged, decided, and what was decided done, one step
 * per actuator.
 *
 * One pass is one call; whoever wants a loop calls again.  Rollbacks go before everything else, and
 * an actuator that fails holds up no other.
 */
#ifndef MIGRATE_WATCH_H
#define MIGRATE_WATCH_H

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "capture/archive.h"
#include "llm/price.h"
#include "migrate/decide.h"
#include "migrate/portfolio.h"
#include "migrate/step.h"
#include "migrate/verdict.h"

enum watch_end {
    WATCH_LEFT, /* nothing was done with it */
    WATCH_DONE,
    WATCH_ABORTED, /* undone, as before */
    WATCH_DRIFTED, /* nothing was touched */
    WATCH_FAILED,  /* `said` is what a person has to know */
};

struct watch_app {
    struct decision decision;
    const struct verdict *verdict; /* NULL = there is none */
    bool is_chosen;                /* to be acted upon */
    enum watch_end end;
    struct str said; /* of an end that is not as wanted */
};

struct watch {
    struct portfolio *portfolio;
    struct verdict *verdicts;
    size_t verdict_count;
    struct watch_app *apps; /* as the programme's */
    size_t app_count;
    struct arena arena;
};

struct watch_input {
    const struct step_context *step;
    const struct archive *archive; /* NULL = nothing is judged: what moves holds */
    const struct price_book *prices;
    const int64_t *spend_per_million; /* see struct decide_input */
    int64_t unsealed_us;              /* likewise */
    const bool *wanted;               /* by the programme's apps; NULL = all */
    struct baselines *baselines;      /* see struct verdict_input; nothing is done on their word */
    bool by_hand;                     /* a person advances: also what is not `auto` */
    bool retry;
};

/* Judges whatever has traffic on the gateway, and decides; changes nothing. */
int watch_look(const struct watch_input *in, struct watch **ret, struct err *err);
void watch_free(struct watch *w);
DEFINE_CLEANUP(struct watch, watch_free)

/* Does what was decided with the apps that are chosen and have this action (ADVANCE or ROLLBACK):
 * one step per actuator.  Their ends say what came of it; strings go to arena. */
void watch_act(const struct step_context *c, enum decide_action action, struct watch_app *apps,
               size_t count, struct arena *arena);
/* HELD for each app that holds, if that or its reasons are new. */
int watch_note_holds(const struct watch_input *in, const struct watch *w, struct err *err);

/* A pass: look, roll back, decide once more if something was, advance what is `auto`, note holds.
 * Open steps are the caller's to recover before. */
int watch_pass(const struct watch_input *in, struct watch **ret, struct err *err);

const char *watch_end_name(enum watch_end end); /* "left", "done", "aborted", ... */

#endif
