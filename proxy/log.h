/* log - what happens, as lines of key=value for whoever operates the proxy.
 *
 * Never a body, a header's value or a query string: those may hold what must not be in a log.
 */
#ifndef PROXY_LOG_H
#define PROXY_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

struct log_sink {
    void (*write)(void *ctx, struct str line); /* one line with its newline, in one piece */
    void *ctx;
    enum log_level least; /* what is less important is left out */
    int worker;           /* its number, -1 = the parent */
};

struct log_field {
    const char *key; /* NULL ends the list */
    struct str text; /* if ptr is NULL, number counts */
    int64_t number;
};

static inline bool log_wants(const struct log_sink *s, enum log_level level)
{
    return level >= s->least;
}
/* fields may be NULL. */
void log_write(const struct log_sink *s, enum log_level level, uint64_t wall_us, const char *event,
               const struct log_field *fields);

/* log_event(sink, LOG_LEVEL_INFO, now, "started", LOG_STR("address", s), LOG_INT("port", n)); */
#define LOG_STR(key_, text_)                                                                       \
    {                                                                                              \
        .key = (key_), .text = (text_)                                                             \
    }
#define LOG_INT(key_, number_)                                                                     \
    {                                                                                              \
        .key = (key_), .number = (int64_t)(number_)                                                \
    }
#define log_event(sink, level, wall_us, event, ...)                                                \
    do {                                                                                           \
        if (log_wants((sink), (level)))                                                            \
            log_write((sink), (level), (wall_us), (event),                                         \
                      (const struct log_field[]){ __VA_ARGS__, { .key = NULL } });                 \
    } while (0)

#endif
