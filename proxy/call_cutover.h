/* call_cutover - which way a call goes while its application is moved to a gateway
 * (policy/cutover): asked once, before anything of the call has gone anywhere.
 *
 * What tells callers apart is mostly in the head; then nothing waits.  If it is in the body, that
 * is held, CALL_POLICY_BODY_BYTES of it at most, and the call begins when it is complete: a longer
 * one, or one that cannot be read, has no key and goes directly.  To all that follows, the policy
 * too, a call that is moved is one that asked for the gateway.
 *
 * The application is the one that the head tells: rules over bodies come too late.
 */
#ifndef PROXY_CALL_CUTOVER_H
#define PROXY_CALL_CUTOVER_H

#include <stdbool.h>

#include "capture/exchange.h"
#include "proxy/call.h"

struct call_cutover;

/* x is the exchange about to begin, attributed by its head.  Sets call->cutover if its application
 * is being moved, and what x says of that; if the head decides, also the way it goes. */
void call_cutover_begin(struct proxy_call *call, struct exchange *x);
void call_cutover_free(struct proxy_call *call);
/* After BEGIN.  True: the body is to be held. */
bool call_cutover_waits(struct proxy_call *call);
/* A piece of the body, and its end.  True: it is held, or there is nobody to send it to any more.
 * What was held goes out through call_pass_body. */
bool call_cutover_request_body(struct proxy_call *call, struct str bytes);
bool call_cutover_request_end(struct proxy_call *call);
/* Who the head said it is, of a call whose body was held; else NULL. */
const struct exchange_who *call_cutover_who(const struct proxy_call *call);
/* Whether the caller's credentials are not for to, which is tried for a call that from was asked
 * for, since the cutover at the latest. */
bool call_cutover_is_foreign(const struct proxy_call *call, const struct proxy_upstream *from,
                             const struct proxy_upstream *to);
/* What END says. */
void call_cutover_end(const struct proxy_call *call, struct exchange *x);

#endif
