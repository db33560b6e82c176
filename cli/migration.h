/* migration - what every command of migrate takes: the plan, its rollout's ledger, where everything
 * stands, and who asks.
 */
#ifndef CLI_MIGRATION_H
#define CLI_MIGRATION_H

#include "base/vec.h"
#include "capture/archive.h"
#include "cli/command.h"
#include "llm/price.h"
#include "migrate/decide.h"
#include "migrate/portfolio.h"
#include "migrate/programme.h"
#include "migrate/rollout.h"
#include "migrate/step.h"
#include "migrate/verdict.h"

/* The row of an option table that migration_open reads. */
#define OPTION_PLAN                                                                                \
    OPTION(VALUE, .name = "plan", .letter = 'p', .value = "FILE", .is_path = true,                 \
           .help = "the plan, see weir-programme(5) (default: programme.yaml)")

/* Prices that outlive one look: read again only when a file of theirs is another.  Zero-initialised
 * is none yet. */
struct price_keeper {
    struct price_book *book;
    struct buf marks; /* of its files, see price_book_mark */
};
void price_keeper_release(struct price_keeper *k);
DEFINE_CLEANUP_VALUE(struct price_keeper, price_keeper_release)

struct migration {
    const struct invocation *inv;
    struct programme *programme;
    struct rollout *rollout;
    struct portfolio *portfolio;
    struct archive *archive; /* migration_open_archive; NULL before */
    struct price_book *prices;
    struct price_keeper *keeper; /* owns them, if the caller has set it; else NULL */
    int64_t now_us;
    char *actor; /* "ana@host" */
};

/* What commands of migrate return beside the first four; ends with what NULL. */
extern const struct exit_status migration_exits[];

/* Reads all of it; ROLLOUT_WRITE is ERR_LIMIT while somebody else writes (migration_fail: 50).  A
 * rollout without a ledger yet is an empty one. */
int migration_open(const struct invocation *inv, enum rollout_mode mode, struct migration *ret,
                   struct err *err);
/* Likewise, for what must be possible without a plan: if it is gone or cannot be read, the one by
 * which the last step was committed that has what the operands name, out of the rollout, and a note
 * of it.  Option "rollout" names the folder where there is more than one beside the plan. */
int migration_open_anyhow(const struct invocation *inv, enum rollout_mode mode,
                          struct migration *ret, struct err *err);
/* For what needs no more than the ledger: the first operand is its folder, which must be one, and
 * no plan is read (*ret_programme NULL); without one, the plan's.  *ret_folder lives as long. */
int migration_find_rollout(const struct invocation *inv, struct programme **ret_programme,
                           const char **ret_folder, struct err *err);
/* The portfolio once more, after lines were appended. */
int migration_read_again(struct migration *m, struct err *err);
/* The archive and the prices; ERR_USAGE if the plan names no archive. */
int migration_open_archive(struct migration *m, struct err *err);
void migration_close(struct migration *m);
DEFINE_CLEANUP_VALUE(struct migration, migration_close)

/* cli_fail, and EXIT_LOCKED where the rollout is somebody else's now. */
int migration_fail(const struct invocation *inv, const struct err *err);

/* The real clock, for steps. */
struct actuator_wait migration_wait(void);

/* The apps that the operands name: an app, a wave, "all"; in the plan's order, each once; none that
 * is retired, unless it has calls on the gateway still.  ERR_USAGE with the nearest name. */
struct migration_apps {
    VEC(struct portfolio_app *) list;
};
int migration_apps_named(const struct migration *m, struct migration_apps *ret, struct err *err);
void migration_apps_release(struct migration_apps *l);
DEFINE_CLEANUP_VALUE(struct migration_apps, migration_apps_release)

/* "25 %", "0.5 %" of a share. */
void migration_add_share(int32_t share, struct buf *out);

#endif
