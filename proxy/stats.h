/* stats - counters of one worker, in memory that the parent reads while the worker writes.
 *
 * Each has one writer and is an aligned 64-bit word, so a reader sees an old value or a new one.
 */
#ifndef PROXY_STATS_H
#define PROXY_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "proxy/upstream_stats.h"

/* X(name, kind, help): the metric is weir_NAME, with _total for counters.  What is LONGEST is kept
 * in µs and shown in seconds: of the workers, the one with most. */
#define PROXY_STATS(X)                                                                             \
    X(connections, COUNTER, "Connections accepted from applications.")                             \
    X(connections_refused, COUNTER, "Connections closed at once: the limit was reached.")          \
    X(connections_open, GAUGE, "Connections of applications that are open.")                       \
    X(tls_handshakes_failed, COUNTER, "Connections that ended before TLS was agreed on.")          \
    X(requests, COUNTER, "Requests whose head was read.")                                          \
    X(keys_refused, COUNTER, "Requests refused for the key they had, or had not.")                 \
    X(requests_refused, COUNTER, "Requests answered by weir itself without an upstream.")          \
    X(exchanges, COUNTER, "Exchanges that were begun in the journal.")                             \
    X(exchanges_open, GAUGE, "Exchanges under way.")                                               \
    X(exchanges_recorded, COUNTER, "Exchanges whose end was appended to the journal.")             \
    X(exchanges_lost, COUNTER, "Exchanges that the disk may not have: a write or a sync failed.")  \
    X(bodies_dropped, COUNTER, "Bodies left out of the record because it could not be written.")   \
    X(bodies_withheld, COUNTER, "Bodies left out because redaction could not look into them.")     \
    X(bodies_held_bytes, GAUGE, "Bytes of bodies that wait in memory for redaction.")              \
    X(values_redacted, COUNTER, "Values that redaction rules took out of what was recorded.")      \
    X(answers_1xx, COUNTER, "Interim answers of upstreams.")                                       \
    X(answers_2xx, COUNTER, "Answers with status 200 to 299.")                                     \
    X(answers_3xx, COUNTER, "Answers with status 300 to 399.")                                     \
    X(answers_4xx, COUNTER, "Answers with status 400 to 499.")                                     \
    X(answers_5xx, COUNTER, "Answers with status 500 to 599.")                                     \
    X(clients_gone, COUNTER, "Clients that left before their answer was complete.")                \
    X(upstream_failures, COUNTER, "Calls that failed between weir and the upstream.")              \
    X(upstream_retries, COUNTER, "Requests sent again because a pooled connection was stale.")     \
    X(request_bytes, COUNTER, "Bytes of request bodies.")                                          \
    X(response_bytes, COUNTER, "Bytes of answers' bodies.")                                        \
    X(journal_bytes, COUNTER, "Bytes appended to journals.")                                       \
    X(journal_syncs, COUNTER, "Times the journal was brought to the disk.")                        \
    X(journal_failures, COUNTER, "Writes and syncs of the journal that failed.")                   \
    X(journal_failing, GAUGE, "1 while the journal cannot be written, or takes too long.")         \
    X(journal_held_bytes, GAUGE, "Bytes of records that wait in memory for the journal.")          \
    X(loop_lag_seconds, LONGEST, "The longest that a worker was late in writing its journal.")     \
    X(segments_sealed, COUNTER, "Segments made of journals.")                                      \
    X(exchanges_sealed, COUNTER, "Exchanges in them.")                                             \
    X(sealer_failures, COUNTER, "Times that sealing failed or its process died.")                  \
    X(journals_set_aside, GAUGE, "Journals that could not be sealed three times or more.")         \
    X(reloads, COUNTER, "Configurations taken over, each counted once.")                           \
    X(reloads_refused, COUNTER, "Configurations refused.")                                         \
    X(worker_reloads, COUNTER, "Configurations taken over by workers: once by each of them.")      \
    X(cutovers_taken, COUNTER, "Cutovers taken over, each counted once.")                          \
    X(cutovers_refused, COUNTER, "Cutovers refused.")                                              \
    X(cutover_calls_direct, COUNTER, "Calls of applications that are moved, not moved yet.")       \
    X(cutover_calls_gateway, COUNTER, "Calls of applications that are moved, to their gateway.")   \
    X(certificate_expires_timestamp_seconds, GAUGE,                                                \
      "When the certificate ends; 0 = there is none.")                                             \
    X(up, GAUGE, "Workers that serve.")

#define STATS_MARKER_BYTES 72 /* with the NUL; a multiple of 8 */

struct proxy_stats {
#define X(name, kind, help) uint64_t name;
    PROXY_STATS(X)
#undef X
    /* The cutover followed: the last two, of which that of `cutovers` is current, so that a reader
     * finds one that nobody writes. */
    uint64_t cutovers;
    struct stats_cutover {
        uint64_t epoch;
        char marker[STATS_MARKER_BYTES];
    } cutover[2];
    struct upstream_stats upstreams;
};

/* Of the worker: what it follows from now on. */
void stats_set_cutover(struct proxy_stats *worker, uint64_t epoch, struct str marker);
/* What those workers follow that serve: as a member "cutover" of a JSON object, and as metrics. The
 * marker of all of them is "mixed" if they differ, "" if it is none. */
void stats_cutover_json(const struct proxy_stats *workers, size_t count, struct buf *out);
void stats_cutover_metrics(const struct proxy_stats *workers, size_t count, struct buf *out);

/* Adds what count workers counted, summed up, in Prometheus' text format. */
void stats_write_metrics(const struct proxy_stats *workers, size_t count, struct buf *out);
/* Likewise as members of a JSON object: "name":1,... */
void stats_write_json(const struct proxy_stats *workers, size_t count, struct buf *out);

#endif
