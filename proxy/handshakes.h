/* handshakes - clients with which TLS was not agreed on: counted all, and some of them logged.
 *
 * Whoever can connect can fail, as fast as it likes: a worker logs so many a second, and then how
 * many it left out.
 */
#ifndef PROXY_HANDSHAKES_H
#define PROXY_HANDSHAKES_H

#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "proxy/log.h"
#include "proxy/stats.h"

#define HANDSHAKES_LOGGED_MAX 10 /* a second */

struct handshakes {
    struct loop *loop;
    const struct log_sink *log;
    struct proxy_stats *stats;
    struct loop_timer second; /* runs while what comes is counted against the limit */
    uint64_t logged, left_out;
    struct err why; /* of the last failure: OpenSSL's reason, never a byte of the peer */
};

void handshakes_init(struct handshakes *h, struct loop *l, const struct log_sink *log,
                     struct proxy_stats *stats);
/* Says what was left out. */
void handshakes_close(struct handshakes *h);
/* One failed, of the client at that address; why is used up.  Without a why it took too long. */
void handshakes_failed(struct handshakes *h, const char *address);

#endif
