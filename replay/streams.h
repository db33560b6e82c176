/* streams - what an HTTP/2 connection to the stand-in provider carries: requests and their answers,
 * many at a time.  The connection itself is conn's: bytes go in and out through memory. */
#ifndef REPLAY_STREAMS_H
#define REPLAY_STREAMS_H

#include "replay/server.h"

#define STREAMS_MAX 1000u /* at a time on one connection; more are refused */

struct streams;

/* on_output, with ctx: there is something to take.  It may come from within streams_feed and
 * streams_take, which must not be called by it. */
struct streams *streams_new(struct server *s, const struct server_port *port,
                            void (*on_output)(void *ctx), void *ctx);
/* Stops what is played; NULL is fine. */
void streams_free(struct streams *s);
/* -1: the peer speaks no HTTP/2; what there is to take is the last word. */
int streams_feed(struct streams *s, struct str bytes, struct err *err);
void streams_take(struct streams *s, struct buf *out, size_t most);
/* No new ones are accepted. */
void streams_drain(struct streams *s);
/* Nothing more comes or goes. */
bool streams_is_over(const struct streams *s);
/* Until when the peer has to say something, if it is the peer's turn; UINT64_MAX = it is not. */
uint64_t streams_patience_us(const struct streams *s, uint64_t heard_us);

#endif
