/* simulation - what commands that simulate take: which calls, how fast targets are, what goes
 * wrong, who calls.
 */
#ifndef CLI_SIMULATION_H
#define CLI_SIMULATION_H

#include "analyze/ledgers.h"
#include "cli/command.h"
#include "cli/scenarios.h"
#include "cli/span.h"
#include "cli/values.h"
#include "replay/sim_ledger.h"
#include "replay/sim_synth.h"
#include "replay/simulate.h"
#include "replay/slo.h"

/* The rows of an option table that simulation_setup_open reads. */
#define OPTIONS_SIMULATION                                                                         \
    OPTION(LIST, .name = "archive", .letter = 'a', .value = "DIR", .is_path = true,                \
           .help = "take the calls of this archive, folder or file of ledgers"),                   \
        OPTION_COUNT_SHARED, OPTIONS_SPAN,                                                         \
        OPTION(VALUE, .name = "rate", .value = "N/UNIT",                                           \
               .help = "make up calls instead, so many a s, min, h or day"),                       \
        OPTION(VALUE, .name = "duration", .value = "DURATION", .help = "of made-up calls (1h)"),   \
        OPTION(VALUE, .name = "call", .value = "KEY:VALUE,..",                                     \
               .help = "what made-up calls are: app, team, upstream, model, api, stream, input, "  \
                       "output"),                                                                  \
        OPTION(VALUE, .name = "scenario", .letter = 's', .value = "FILE|NAME", .is_path = true,    \
               .help = "what goes wrong when, see weir-scenario(5)"),                              \
        OPTION_ONLY,                                                                               \
        OPTION(VALUE, .name = "caller", .value = "NAME", .choices = value_callers,                 \
               .help = "whose own repetitions callers make: none, or a provider's SDK (none)"),    \
        OPTION(VALUE, .name = "deadline", .letter = 'd', .value = "DURATION",                      \
               .help = "how long a caller waits for each try (what --caller waits: 600s)"),        \
        OPTION(LIST, .name = "speed", .value = "TARGET=..",                                        \
               .help = "state how fast a target answers: openai/gpt-5*=first:600ms,token:20ms"),   \
        OPTION(LIST, .name = "quota", .value = "TARGET=..",                                        \
               .help = "what a provider lets through: azure=rpm:600,tpm:1000000"),                 \
        OPTION(VALUE, .name = "ask", .value = "MODEL",                                             \
               .help = "the model that all calls ask for, such as a group's name"),                \
        OPTION(LIST, .name = "prices", .value = "FILE", .is_path = true,                           \
               .help = "a price file laid over the shipped book"),                                 \
        OPTION(VALUE, .name = "seed", .value = "N", .help = "of chance (1)")

struct simulation_setup {
    const struct invocation *inv;
    struct price_book *book;
    struct sim_speeds *speeds;
    struct scenario *scenario;
    struct ledgers files;
    struct sim_ledgers *ledgers; /* NULL = calls are made up */
    struct sim_ledgers_stats recorded;
    struct sim_synth synth;
    struct sim_classes classes;
    VEC(struct sim_quota) quotas;
    struct sim_options options; /* but for the policy */
};

int simulation_setup_open(const struct invocation *inv, struct simulation_setup *ret,
                          struct err *err);
/* For commands whose options are others: recorded calls alone, with what they do not name left out.
 */
struct simulation_of {
    const char *const *archives; /* NULL-terminated */
    struct span span;
    const char *scenario;    /* NULL = nothing goes wrong */
    const char *const *only; /* which part of it; NULL-terminated */
    struct str ask;          /* see sim_options.model_instead */
    const struct caller *caller;
    int64_t deadline_us; /* 0 = the caller's own */
    uint64_t seed;
};
int simulation_setup_of(const struct simulation_of *of, struct simulation_setup *ret,
                        struct err *err);
void simulation_setup_close(struct simulation_setup *s);
DEFINE_CLEANUP_VALUE(struct simulation_setup, simulation_setup_close)

/* A configuration, weir's own or another gateway's, or "none": then calls go where they ask to. */
struct simulation_config {
    const char *name;
    struct plan *plan;
    struct policy *policy;
};
/* Reads it; then its plan may be changed, and simulation_config_ready makes the policy of it. */
int simulation_config_read(const char *path, struct simulation_config *ret, struct err *err);
int simulation_config_ready(const struct simulation_setup *s, struct simulation_config *c,
                            struct err *err);
/* Both. */
int simulation_config_open(const struct simulation_setup *s, const char *path,
                           struct simulation_config *ret, struct err *err);
void simulation_config_close(struct simulation_config *c);
DEFINE_CLEANUP_VALUE(struct simulation_config, simulation_config_close)

/* *ret_options is what it was run with. */
int simulation_run(struct simulation_setup *s, const struct simulation_config *c,
                   struct sim_options *ret_options, struct sim_result *ret, struct err *err);

#endif
