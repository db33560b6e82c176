/* answer_end - whether an answer of status 200 that ended in good order was an answer, and all of
 * it: providers, and what stands before them, end bodies properly in the middle of a stream, or
 * send nothing, a page or an error in place of what was asked for.
 *
 * Of a stream the last bytes are kept, and must have the mark with which its API ends streams; of
 * anything else the first bytes and the last one.  Only what is certain is told: of an API or a
 * form that is not known here, or of a last event that is longer than what is kept, nothing is
 * missed.
 */
#ifndef PROXY_ANSWER_END_H
#define PROXY_ANSWER_END_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "policy/failure.h"

#define ANSWER_END_TAIL_BYTES  2048u /* at least so many are looked at */
#define ANSWER_END_ERROR_BYTES (64u << 10)
#define ANSWER_END_BEGIN_BYTES 16u

struct answer_end {
    enum api api;
    bool is_on;
    bool is_stream; /* events in lines, or frames */
    char last;      /* that is no blank */
    uint8_t begin_len;
    char begin[ANSWER_END_BEGIN_BYTES]; /* without the blanks before it */
    uint64_t bytes;
    struct buf tail; /* of a stream; of an error, all of it */
};

/* Zero-initialised is off. */
void answer_end_begin(struct answer_end *e, enum api api, bool is_stream);
void answer_end_release(struct answer_end *e);
/* Its content encoding undone. */
void answer_end_add(struct answer_end *e, struct str bytes);
/* So far it looks like a page, or an error, in place of an answer. */
bool answer_end_looks_bad(const struct answer_end *e);
/* After the last of them: true if it was no answer, or not all of it, and why: an error in place of
 * an answer is PLAN_FAILED_STATUS, everything else PLAN_FAILED_FIRST_TOKEN. */
bool answer_end_is_bad(const struct answer_end *e, struct steer_end *ret);

#endif
