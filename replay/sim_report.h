/* sim_report - what came of simulated calls, as a document; of two configurations side by side.
 */
#ifndef REPLAY_SIM_REPORT_H
#define REPLAY_SIM_REPORT_H

#include "base/document.h"
#include "replay/sim_ledger.h"
#include "replay/simulate.h"
#include "replay/slo.h"

#define SIM_REPORT_RUNS_MAX 2

struct sim_report_run {
    struct str name; /* of the configuration */
    const struct sim_options *options;
    const struct sim_result *result;
};

struct sim_report_in {
    struct sim_report_run runs[SIM_REPORT_RUNS_MAX];
    size_t run_count;
    const struct sim_ledgers_stats *recorded; /* NULL = calls are made up */
    const struct slo *slos;
    size_t slo_count;
    struct str book_hash; /* "" = none */
};

/* The value of an assertion's metric; false: it does not apply (no faults, no answered call). */
bool sim_report_value(const struct sim_result *r, const struct slo *s, i128 *ret);
/* Whether it holds; what does not apply does. */
bool sim_report_holds(const struct sim_result *r, const struct slo *s);

void sim_report_build(const struct sim_report_in *in, struct document *ret);
/* Assertions as test suites in JUnit's XML, one for each run. */
void sim_report_junit(const struct sim_report_in *in, struct buf *out);

#endif
