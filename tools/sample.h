/* sample - invented traffic of an invented company, in the recorded-exchange JSONL that
 * `weir capture import` reads.
 *
 * The same seed gives the same bytes everywhere.  The shapes are the providers'; the words, names,
 * keys and numbers are ours.
 */
#ifndef TOOLS_SAMPLE_H
#define TOOLS_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* One exchange while it is made. */
struct sample {
    uint64_t random; /* state of the generator */
    uint64_t number; /* of the exchange, from 1 */
    int64_t at_us;   /* when the answer was sent */

    const char *app; /* what the application calls itself; NULL = it does not say */
    const char *user_agent;
    const char *key; /* an invented credential */
    struct buf url;
    struct buf request;
    int status;
    const char *content_type;
    struct buf response;
    bool is_binary;
    const char *extra_name, *extra_value; /* one more response header, or NULL */
};

/* A number from least to most, both included. */
uint64_t sample_random(struct sample *s, uint64_t least, uint64_t most);
/* A question or an answer in invented words; no byte that JSON escapes. */
void sample_words(struct sample *s, unsigned words, struct buf *out);

struct sample_kind {
    unsigned weight; /* how often, among all kinds */
    const char *app, *user_agent, *key;
    void (*make)(struct sample *s); /* fills url, request, status, content_type, response */
};
extern const struct sample_kind sample_kinds[];
extern const unsigned sample_kind_count;

#endif
