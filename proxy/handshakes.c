#include "config.h"

#include "proxy/handshakes.h"

#define SECOND_US UINT64_C(1000000)

static void end_second(void *ctx)
{
    struct handshakes *h = ctx;

    if (h->left_out)
        log_event(h->log, LOG_LEVEL_WARN, loop_wall_us(h->loop), "tls_failures_left_out",
                  LOG_INT("count", h->left_out));
    h->logged = h->left_out = 0;
}

void handshakes_init(struct handshakes *h, struct loop *l, const struct log_sink *log,
                     struct proxy_stats *stats)
{
    *h = (struct handshakes){ .loop = l, .log = log, .stats = stats };
    h->second = (struct loop_timer){ .fn = end_second, .ctx = h };
}

void handshakes_close(struct handshakes *h)
{
    if (!h->loop)
        return;
    loop_timer_cancel(h->loop, &h->second);
    end_second(h);
}

void handshakes_failed(struct handshakes *h, const char *address)
{
    const char *why = h->why.text[0] ? h->why.text : "no handshake in time";

    h->stats->tls_handshakes_failed++;
    if (!h->logged)
        loop_timer_set(h->loop, &h->second, loop_now_us(h->loop) + SECOND_US);
    if (h->logged < HANDSHAKES_LOGGED_MAX) {
        h->logged++;
        log_event(h->log, LOG_LEVEL_WARN, loop_wall_us(h->loop), "tls_failed",
                  LOG_STR("client", str_from(address)), LOG_STR("reason", str_from(why)));
    } else {
        h->left_out++;
    }
    h->why.text[0] = '\0';
}
