/* http1_lines - the header lines of a head, and which of them the head before had: private to
 * http1.
 *
 * Most lines of a connection's heads repeat byte for byte.  A line that was well formed is so again
 * wherever it stands, as nothing before it changes how it is read: so what was found out about it
 * counts, and llhttp need not see it.  Those that say how the message is framed, or whether the
 * connection stays, are read anew each time, by us and by llhttp.
 */
#ifndef BASE_HTTP1_LINES_H
#define BASE_HTTP1_LINES_H

#include "base/http1_head.h"

/* Lines that stand together: one that is new; or those of the head before. */
struct http1_run {
    uint32_t at; /* in the head's bytes */
    uint32_t count;
    uint32_t before; /* index + 1 of the first in the head before; 0 = it is new */
    bool is_known;   /* llhttp need not see it */
};

/* Zero-initialised is ready. */
struct http1_lines {
    VEC(struct http1_run) runs;
    size_t count;          /* of their lines */
    struct buf raw;        /* the head before */
    http1_headers headers; /* its; they lie in raw */
    size_t next;           /* of these, where the next line is looked for */
};

void http1_lines_release(struct http1_lines *l);
/* Another head begins; what is known of the one before stays. */
void http1_lines_clear(struct http1_lines *l);
/* A whole head, well formed, is the one before now.  It is exchanged for the memory of the last. */
void http1_lines_keep(struct http1_lines *l, struct buf *raw, http1_headers *headers);

/* The next line, which begins with in and is to stand at at: takes it, and those that follow, if
 * the head before had them.  Returns their bytes; 0 = it had not, or in does not reach its end. */
size_t http1_lines_repeat(struct http1_lines *l, struct str in, uint32_t at);
/* Takes the next line, at at, as a new one. */
void http1_lines_add(struct http1_lines *l, uint32_t at);
/* raw is the whole head, headers what llhttp says of the lines that it has read: makes them the
 * headers of all lines, tiled and tagged, as in http1_tile. */
bool http1_lines_tile(const struct http1_lines *l, struct str raw, uint32_t (*tag)(struct str name),
                      http1_headers *headers);

#endif
