/* passage - the same calls once directly and once through a gateway, one at a time: what is asked
 * and answered on one side of it, and what comes out on the other.
 *
 *     drive ──────────────► stand-in        directly: the noise of the recording against itself
 *     drive ──► gateway ──► stand-in        what callers see, and what providers are asked
 *
 * The stand-in is served in this process and knows which call is under way, so that it gives that
 * call's recorded answer however the gateway has changed the request; a request for another API
 * than the recorded one gets what fits it (replay/library).  What a gateway takes out of a request,
 * changes or adds is told by the JSON member, without values but numbers and truth values: they may
 * be anybody's words.
 */
#ifndef REPLAY_PASSAGE_H
#define REPLAY_PASSAGE_H

#include "replay/diff.h"
#include "replay/drill_gateway.h"
#include "replay/drive.h"
#include "replay/sample.h"

#define PASSAGE_DELTAS_MAX 1000
#define PASSAGE_DEPTH_MAX  24

struct passage_options {
    struct drill_gateway_options gateway;
    const struct sample *sample;
    struct str target_direct, target_gateway; /* see drive_options.target */
    struct str headers, key;                  /* likewise; with placeholders */
    int64_t deadline_us;
    int64_t now_us;
};

enum passage_change {
    PASSAGE_DROPPED,
    PASSAGE_CHANGED,
    PASSAGE_ADDED,
};

/* What becomes of a member, or of a header ("header anthropic-beta"). */
struct passage_delta {
    struct str what; /* "stream_options.include_usage", "messages[].name" */
    enum passage_change change;
    uint64_t calls;
    struct str sent, got; /* of the first: "12", "true", "a text", "" = not there */
};

struct passage {
    struct diff diff; /* the gateway's answers against the recorded ones, with noise */
    VEC(struct passage_delta) deltas; /* most calls first */
    uint64_t calls;
    uint64_t ok[2];       /* answered well: directly, through the gateway */
    uint64_t attempts[2]; /* at the stand-in */
    uint64_t compared;    /* requests of which both sides could be read */
    uint64_t unasked;     /* calls for which the gateway asked nobody */
    uint64_t translated;  /* asked with another API */
    struct sketch total_us[2];
    struct arena arena;
};

int passage_run(const struct passage_options *o, struct passage *ret, struct err *err);
void passage_release(struct passage *p);
DEFINE_CLEANUP_VALUE(struct passage, passage_release)

const char *passage_change_name(enum passage_change change);

/* --- parts --- */

/* What became of one request.  sent_head: "name: value" lines; only a provider's own headers are
 * looked at. */
struct passage_request {
    struct str sent_head, sent_body;
    const struct call_header *headers;
    size_t header_count;
    struct str body;
};
/* Adds to deltas; false if one of the bodies is no JSON. */
bool passage_compare(struct passage *p, const struct passage_request *r);

#endif
