/* request - what makes two requests to a provider the same.
 *
 * Two are the same if method, path, query and body are, where
 *
 *     path    may have anything before it in one of the two, as proxies put prefixes there
 *             (/support-bot/openai/v1/models is /v1/models), and %3A is a colon
 *     query   is compared without credentials, in any order of its parameters
 *     body    is compared as JSON if it is a JSON object or list: order of members, blanks and
 *             escapes do not matter, nor do the members at its top that say who asks and not what:
 *             metadata, prompt_cache_key, safety_identifier, user
 */
#ifndef REPLAY_REQUEST_H
#define REPLAY_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define REQUEST_DIGEST_BYTES 16

struct request {
    struct str method;
    struct str path;  /* without the query */
    struct str query; /* without the '?' */
    struct str body;
};

/* Of everything but the path, of which only the last segment goes in: requests of one digest are
 * the same if request_is_same_path says so of their paths. */
void request_digest(const struct request *r, uint8_t ret[static REQUEST_DIGEST_BYTES]);
/* What a call asks a model, whoever carries it: gateways rewrite path, model and much else. */
struct request_asked {
    uint8_t digest[REQUEST_DIGEST_BYTES]; /* of the messages or other input */
    int64_t tokens; /* a quarter of the body's bytes, and what the answer may have at most */
};
void request_asked(const struct request *r, struct request_asked *ret);
/* Whether the paths, percent-encoding undone, are equal or one is the other's end, from a slash on.
 */
bool request_is_same_path(struct str a, struct str b);

#endif
