#include "config.h"

#include "cli/command.h"

/* One line per command, in the order of --help: declare it, then list it below. */

extern const struct command command_analyze_export;
extern const struct command command_analyze_alerts;
extern const struct command command_analyze_forecast;
extern const struct command command_analyze_prices_check;
extern const struct command command_analyze_prices_import;
extern const struct command command_analyze_prices_show;
extern const struct command command_analyze_push;
extern const struct command command_analyze_reconcile;
extern const struct command command_analyze_report;
extern const struct command command_analyze_spend;
extern const struct command command_analyze_policy;
extern const struct command command_analyze_whatif;
extern const struct command command_analyze_trend;
extern const struct command command_capture_export;
extern const struct command command_capture_import;
extern const struct command command_capture_ls;
extern const struct command command_capture_prune;
extern const struct command command_capture_seal;
extern const struct command command_capture_show;
extern const struct command command_capture_verify;
extern const struct command command_migrate_advance;
extern const struct command command_migrate_approve;
extern const struct command command_migrate_discover;
extern const struct command command_migrate_drift;
extern const struct command command_migrate_gate;
extern const struct command command_migrate_preflight;
extern const struct command command_migrate_rehearse;
extern const struct command command_migrate_rollback;
extern const struct command command_migrate_watch;
extern const struct command command_migrate_plan;
extern const struct command command_migrate_next;
extern const struct command command_migrate_log;
extern const struct command command_migrate_verify;
extern const struct command command_migrate_ready;
extern const struct command command_migrate_status;
extern const struct command command_proxy_check;
extern const struct command command_proxy_drain;
extern const struct command command_proxy_key;
extern const struct command command_proxy_run;
extern const struct command command_proxy_status;
extern const struct command command_replay_diff;
extern const struct command command_replay_drill;
extern const struct command command_replay_drive;
extern const struct command command_replay_lint;
extern const struct command command_replay_serve;
extern const struct command command_replay_simulate;
extern const struct command command_replay_sweep;

/* clang-format off: one a line */
const struct command *const commands[] = {
    &command_proxy_run,
    &command_proxy_check,
    &command_proxy_status,
    &command_proxy_drain,
    &command_proxy_key,
    &command_capture_import,
    &command_capture_ls,
    &command_capture_show,
    &command_capture_verify,
    &command_capture_seal,
    &command_capture_export,
    &command_capture_prune,
    &command_replay_diff,
    &command_replay_drill,
    &command_replay_drive,
    &command_replay_lint,
    &command_replay_serve,
    &command_replay_simulate,
    &command_replay_sweep,
    &command_analyze_report,
    &command_analyze_alerts,
    &command_analyze_forecast,
    &command_analyze_trend,
    &command_analyze_reconcile,
    &command_analyze_spend,
    &command_analyze_push,
    &command_analyze_whatif,
    &command_analyze_policy,
    &command_analyze_export,
    &command_analyze_prices_show,
    &command_analyze_prices_check,
    &command_analyze_prices_import,
    &command_migrate_discover,
    &command_migrate_plan,
    &command_migrate_next,
    &command_migrate_ready,
    &command_migrate_preflight,
    &command_migrate_status,
    &command_migrate_gate,
    &command_migrate_approve,
    &command_migrate_rehearse,
    &command_migrate_advance,
    &command_migrate_rollback,
    &command_migrate_watch,
    &command_migrate_drift,
    &command_migrate_log,
    &command_migrate_verify,
    NULL,
};
/* clang-format on */

const struct command_group command_groups[] = {
    {"proxy",           "carry traffic and record it"                                         },
    { "capture",        "recorded traffic into an archive, out of it, and whether it is whole"},
    { "replay",         "recorded traffic once more"                                          },
    { "analyze",        "what the traffic cost, and who caused it"                            },
    { "analyze prices", "the price book"                                                      },
    { "migrate",        "applications behind a gateway, one small step at a time"             },
    { NULL,             NULL                                                                  },
};
