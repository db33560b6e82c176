/* refusal - answers that say no in the words of the provider who was asked, so that its clients
 * raise what they raise. */
#ifndef REPLAY_REFUSAL_H
#define REPLAY_REFUSAL_H

#include "llm/provider.h"
#include "replay/answer.h"

/* 404 in the form of that API's provider; OpenAI's for APIs without a form of their own. */
struct answer *refusal_not_found(enum api api, struct str message);
/* In a form of our own, when it is not known who was asked. */
struct answer *refusal_plain(unsigned status, struct str message);

#endif
