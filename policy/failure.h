/* failure - what an answer means to the policy: from status, head and the beginning of the body to
 * struct steer_end.  The proxy calls it on live answers, the stand-in's drills check it, and the
 * simulator knows what each fault comes to by the same function over that fault's bytes.
 */
#ifndef POLICY_FAILURE_H
#define POLICY_FAILURE_H

#include "llm/call.h"
#include "llm/framing.h"
#include "policy/steer.h"

/* Of a whole refusal: a head and up to 64 KiB of its body (more is not looked at), its content
 * encoding undone.  Statuses from 200 to 399 are no failures.
 *
 * Reads retry-after in all its forms, the most exact first: retry-after-ms, x-ms-retry-after-ms
 * (Azure), retry-after in seconds (with decimals) or as an HTTP date (counted from the answer's own
 * date, so that clocks need not agree), Gemini's RetryInfo in the body; and x-should-retry.  An
 * answer that says that its quota or budget is used up is one not to be repeated, as if it had
 * said so.  now_us is Unix time.
 *
 * Too long for the model, and refused by a content filter, are told from other 400s by the
 * provider's own codes, and by the wording of providers that have no code for it. */
void failure_of_answer(int status, const struct call_header *headers, size_t count, struct str body,
                       int64_t now_us, struct steer_end *ret);
/* The own sign of an API, in a stream that began with 200, that it has failed: true and what it is.
 * event is one decoded event of the stream (llm/framing).  The failure is PLAN_FAILED_STATUS with
 * the status that the same error has at the beginning of an answer (an overloaded_error: 529), so
 * that one rule holds for both; the caller makes it PLAN_FAILED_STREAM once content has gone out.
 */
bool failure_of_event(enum api api, const struct framing_event *event, struct steer_end *ret);

#endif
