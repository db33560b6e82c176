/* synth - answers made up for requests that nothing recorded fits: short, valid in the provider's
 * form, with usage, streamed if asked for so.
 *
 * Tokens of the input are a quarter of the body's bytes, those of the output its words.
 */
#ifndef REPLAY_SYNTH_H
#define REPLAY_SYNTH_H

#include "base/str.h"
#include "llm/call.h"
#include "replay/answer.h"

#define SYNTH_FIRST_US UINT64_C(200000) /* until a stream's first piece */
#define SYNTH_EVERY_US UINT64_C(20000)  /* from one to the next */

/* number makes the ids in it; NULL if there is no such answer for the request's API. */
struct answer *synth_answer(const struct call_facts *asked, struct str body, uint64_t number);

#endif
