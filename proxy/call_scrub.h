/* call_scrub - what of a call must be looked at as a whole before it is recorded.
 *
 * Redaction (capture/scrub) needs whole bodies, and attribution may ask for members of a request's.
 * So bodies wait here, in memory, and are recorded with the times at which they came: the request's
 * when it is complete, the answer's at the end.  What goes to the peers waits for nothing.
 *
 * What would take more than the configuration's redaction.hold_bytes (or, with all others of the
 * worker, hold_total), and what cannot be looked into, is left out of the record and counted:
 * nothing that a rule may be after is ever on disk.  For the same reason a body held is lost with
 * the process.
 */
#ifndef PROXY_CALL_SCRUB_H
#define PROXY_CALL_SCRUB_H

#include <stdbool.h>

#include "capture/exchange.h"
#include "policy/rules.h"
#include "proxy/call.h"

/* x is the exchange about to begin, attributed by its head.  Sets call->scrub if there is need for
 * one, and takes out of x's heads what must not be recorded. */
void call_scrub_begin(struct proxy_call *call, struct exchange *x);
void call_scrub_free(struct call_scrub *scrub);
/* Bytes of the request, of the answer: true = held, not to be recorded now. */
bool call_scrub_request(struct proxy_call *call, struct str bytes);
bool call_scrub_answer(struct proxy_call *call, struct str bytes);
/* The answer's head, about to be recorded. */
void call_scrub_answer_head(struct proxy_call *call, struct exchange *x);
/* The request is complete, or never will be: records its body. */
void call_scrub_request_end(struct proxy_call *call);
/* Whose call it is, if the request's body has said so: replaces what subject and user have. */
void call_scrub_who(const struct proxy_call *call, struct policy_subject *subject,
                    struct str *user);
/* Records what is left, and adds to x what its END says. */
void call_scrub_end(struct proxy_call *call, struct exchange *x);

#endif
