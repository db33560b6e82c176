/* fault_pieces - where the events of a recorded answer begin and end, and which carry content. */
#ifndef REPLAY_FAULT_PIECES_H
#define REPLAY_FAULT_PIECES_H

#include "base/vec.h"
#include "llm/framing.h"
#include "replay/fault.h"

struct fault_piece {
    size_t start, end; /* in the body */
    bool has_content;  /* text, reasoning, arguments of a tool call */
};

struct fault_pieces {
    enum framing framing;
    VEC(struct fault_piece) list; /* one after the other; together the body */
};

/* What cannot be split is one piece. */
void fault_pieces_find(struct str body, struct str content_type, enum fault_dialect dialect,
                       struct fault_pieces *ret);
void fault_pieces_release(struct fault_pieces *p);
DEFINE_CLEANUP_VALUE(struct fault_pieces, fault_pieces_release)

/* The piece that begins where so many with content are over: list.len if that is the end. */
size_t fault_pieces_after(const struct fault_pieces *p, uint32_t with_content);
/* The first with content, or the first of all. */
size_t fault_pieces_first_content(const struct fault_pieces *p);

#endif
