/* failure - what an answer means to the policy: from status, head and the beginning of the body to
 * struct steer_end.  The proxy calls it on live answers, the stand-in's drills check it, and the
 * simulator knows what each fault comes to by the same function over that fault's bytes.
 */
#ifndef POLICY_FAILURE_H
#define POLICY_FAILURE_H

#include "llm/call.h"
#include "llm/framing.h"
#include "policy/steer.h"

/* Of a whole refusal: a head and up to 64 KiB of its body (more is not looked at).  Reads
 * retry-after in all its forms: retry-after-ms, retry-after in seconds or as an HTTP date, Gemini's
 * RetryInfo in the body; x-should-retry.  now_us is Unix time, for dates.  Context-length and
 * content-filter refusals are told from other 400s by the provider's own codes. */
void failure_of_answer(int status, const struct call_header *headers, size_t count, struct str body,
                       int64_t now_us, struct steer_end *ret);
/* The own sign of an API, in a stream that began with 200, that it has failed before any content:
 * true and what it is.  event is one decoded event of the stream (llm/framing). */
bool failure_of_event(enum api api, const struct framing_event *event, struct steer_end *ret);
/* Whether an event holds content that a caller would show: the first token.  Keep-alives, role
 * openings and empty deltas do not. */
bool failure_event_has_content(enum api api, const struct framing_event *event);

#endif
