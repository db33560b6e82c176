/* diff - two recordings of the same requests, compared by structure: what a client's code would
 * notice, not what the model happened to say.
 *
 * Answers of models differ from one time to the next, so a difference means nothing until it is
 * known how often the same server differs from itself.  With a second recording of the first side
 * (an A/A run), each aspect is judged against that noise: Fisher's exact test, one-sided, that the
 * other side differs more often.
 *
 * Exchanges are paired by the exchange that both repeat (label replay_of), else by that exchange
 * itself, else by request (replay/request.h), in the order they were made.
 */
#ifndef REPLAY_DIFF_H
#define REPLAY_DIFF_H

#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"
#include "capture/archive.h"

#define DIFF_EXCHANGES_MAX 4000000
#define DIFF_EXAMPLES_MAX  20 /* of an aspect */

/* X(constant, name, what differs) */
#define DIFF_ASPECTS(X)                                                                            \
    X(STATUS, "status", "HTTP status")                                                             \
    X(ERROR, "error", "class of failure")                                                          \
    X(TYPE, "content_type", "media type of the answer")                                            \
    X(EVENTS, "events", "shapes of the events of a stream, and their order")                       \
    X(SHAPE, "shape", "members of an answer that is no stream, and their types")                   \
    X(TOOLS, "tools", "functions called, and the members and types of their arguments")            \
    X(FINISH, "finish_reason", "why it ended")                                                     \
    X(USAGE, "usage", "which tokens are reported")                                                 \
    X(INPUT, "input_tokens", "tokens of the same request, by more than 1 %")                       \
    X(MODEL, "model", "model that the answer names")

enum diff_aspect {
#define X(constant, name, what) DIFF_##constant,
    DIFF_ASPECTS(X)
#undef X
        DIFF_ASPECT_COUNT
};

extern const char *const diff_aspect_names[DIFF_ASPECT_COUNT];
extern const char *const diff_aspect_whats[DIFF_ASPECT_COUNT];

/* One recording.  Heads and shapes of each exchange are held, about 200 bytes. */
struct diff_side;
struct diff_side *diff_side_new(void);
void diff_side_free(struct diff_side *s);
DEFINE_CLEANUP(struct diff_side, diff_side_free)
/* run: only exchanges with this label "run"; NULL = all. */
int diff_side_add(struct diff_side *s, const struct archive *a, const char *run, struct err *err);
size_t diff_side_len(const struct diff_side *s);

struct diff_example {
    char id_base[37], id_other[37];
    char *base, *other; /* what each has */
};

struct diff_count {
    uint64_t compared, differ; /* pairs of which both have the aspect */
    uint64_t noise_compared, noise_differ;
    double p; /* that so many differ by noise alone; 1 without a noise run */
    VEC(struct diff_example) examples;
};

struct diff {
    uint64_t pairs, only_base, only_other;
    bool has_noise;
    struct diff_count counts[DIFF_ASPECT_COUNT];
};

/* noise (may be NULL): base's requests made at base's server once more. */
void diff_compare(const struct diff_side *base, const struct diff_side *other,
                  const struct diff_side *noise, struct diff *ret);
/* Whether an aspect differs more than noise explains: p below alpha; without a noise run, at all.
 */
bool diff_is_finding(const struct diff *d, enum diff_aspect aspect, double alpha);
void diff_release(struct diff *d);
DEFINE_CLEANUP_VALUE(struct diff, diff_release)

/* The shape of a JSON text: its members with the types of their values, items of a list taken
 * together: {"a":[{"b":1},{"c":""}]} is {a:[{b:n,c:s}]}.  "!" if it is no JSON. */
void diff_shape(struct str json, struct buf *out);

#endif
