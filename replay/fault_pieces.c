#include "config.h"

#include "replay/fault_pieces.h"

/* Which events are content: by the event's name, or by a member that has something in it. */
static const struct {
    enum fault_dialect dialect;
    const char *name;   /* the event's ends so; NULL = any */
    const char *member; /* a string that is not empty; NULL = the name says it */
} contents[] = {
    {FAULT_OPENAI,     NULL,                  "content"          },
    { FAULT_OPENAI,    NULL,                  "reasoning_content"},
    { FAULT_OPENAI,    NULL,                  "reasoning"        },
    { FAULT_OPENAI,    NULL,                  "arguments"        },
    { FAULT_OPENAI,    NULL,                  "text"             },
    { FAULT_RESPONSES, ".delta",              NULL               },
    { FAULT_ANTHROPIC, "content_block_delta", NULL               },
    { FAULT_GEMINI,    NULL,                  "text"             },
    { FAULT_GEMINI,    NULL,                  "name"             },
    { FAULT_BEDROCK,   "contentBlockDelta",   NULL               },
    { FAULT_BEDROCK,   "chunk",               NULL               },
    { FAULT_OLLAMA,    NULL,                  "content"          },
    { FAULT_OLLAMA,    NULL,                  "response"         },
    { FAULT_OLLAMA,    NULL,                  "thinking"         },
    { FAULT_COHERE,    "content-delta",       NULL               },
    { FAULT_COHERE,    "tool-call-delta",     NULL               },
};

static size_t skip_blanks(struct str s, size_t at)
{
    while (at < s.len && (s.ptr[at] == ' ' || s.ptr[at] == '\n' || s.ptr[at] == '\r'))
        at++;
    return at;
}

/* "member": "x..." somewhere in it. */
static bool has_text(struct str data, const char *member)
{
    struct str name = str_from(member);
    ptrdiff_t found = -1;

    while ((found = str_find(data, name, (size_t)(found + 1))) >= 0) {
        size_t end = (size_t)found + name.len, at;
        if (found == 0 || data.ptr[found - 1] != '"' || end >= data.len || data.ptr[end] != '"')
            continue;
        at = skip_blanks(data, end + 1);
        if (at >= data.len || data.ptr[at] != ':')
            continue;
        at = skip_blanks(data, at + 1);
        if (at + 1 < data.len && data.ptr[at] == '"' && data.ptr[at + 1] != '"')
            return true;
    }
    return false;
}

static bool is_content(enum fault_dialect dialect, const struct framing_event *e)
{
    if (dialect == FAULT_AZURE)
        dialect = FAULT_OPENAI;
    for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
        if (contents[i].dialect != dialect ||
            (contents[i].name && !str_ends_with(e->name, str_from(contents[i].name))))
            continue;
        if (!contents[i].member || has_text(e->data, contents[i].member))
            return true;
    }
    return false;
}

struct finding {
    struct fault_pieces *pieces;
    enum fault_dialect dialect;
};

static int take_event(void *ctx, const struct framing_event *e, struct err *err)
{
    struct finding *f = ctx;
    struct fault_piece piece = { .start = (size_t)e->offset,
                                 .has_content = is_content(f->dialect, e) };

    (void)err;
    vec_push(&f->pieces->list, piece);
    return 0;
}

void fault_pieces_find(struct str body, struct str content_type, enum fault_dialect dialect,
                       struct fault_pieces *ret)
{
    struct finding f = { .pieces = ret, .dialect = dialect };
    struct err err;
    bool cut;

    *ret = (struct fault_pieces){ .framing = framing_guess(content_type, body) };
    CLEANUP(framer_free) struct framer *framer = framer_new(ret->framing, take_event, &f);
    if (framer_feed(framer, body, &err) == 0)
        (void)framer_finish(framer, &cut, &err);
    if (!ret->list.len)
        vec_push(&ret->list, ((struct fault_piece){ .has_content = true }));
    ret->list.ptr[0].start = 0;
    for (size_t i = 0; i < ret->list.len; i++)
        ret->list.ptr[i].end = i + 1 < ret->list.len ? ret->list.ptr[i + 1].start : body.len;
    if (ret->framing == FRAMING_JSON || ret->framing == FRAMING_OPAQUE)
        ret->list.ptr[0].has_content = true;
}

void fault_pieces_release(struct fault_pieces *p)
{
    vec_release(&p->list);
}

size_t fault_pieces_first_content(const struct fault_pieces *p)
{
    for (size_t i = 0; i < p->list.len; i++)
        if (p->list.ptr[i].has_content)
            return i;
    return 0;
}

size_t fault_pieces_after(const struct fault_pieces *p, uint32_t with_content)
{
    size_t last = 0;
    uint32_t seen = 0;

    if (!with_content)
        return fault_pieces_first_content(p);
    for (size_t i = 0; i < p->list.len; i++) {
        if (!p->list.ptr[i].has_content)
            continue;
        last = i + 1;
        if (++seen == with_content)
            break;
    }
    return last;
}
