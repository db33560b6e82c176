/* Content encodings that recorders left on bodies. */
#include "config.h"

#include "capture/body_decode.h"
#include "capture/import_record.h"

/* One of the record's two bodies, and what belongs to it. */
struct side {
    const char *name;
    const struct call_header *headers;
    size_t header_count;
    struct str *body;
    bool *encoded;
    uint64_t *wire_bytes;
};

/* True if the recorded chunks cut up the body as it lies there; they may also count decoded
 * bytes. */
static bool chunks_fit(const struct import_record *rec, struct str body)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < rec->chunks.len; i++) {
        if (rec->chunks.ptr[i].bytes > body.len - bytes)
            return false;
        bytes += rec->chunks.ptr[i].bytes;
    }
    return rec->chunks.len && bytes == body.len;
}

static void use_chunks(struct import *im, struct body_decoding *d)
{
    const struct import_record *rec = &im->record;

    if (!chunks_fit(rec, d->body))
        return;
    d->chunks = rec->chunks.ptr;
    d->chunk_count = rec->chunks.len;
    d->ret_chunks = arena_alloc(&im->arena, rec->chunks.len * sizeof(*d->ret_chunks));
}

static void take(struct import *im, const struct side *side, const struct body_decoding *d)
{
    struct import_record *rec = &im->record;

    if (!*side->wire_bytes)
        *side->wire_bytes = d->body.len;
    *side->body = arena_str(&im->arena, buf_str(d->out));
    for (size_t i = 0; i < d->chunk_count; i++)
        rec->chunks.ptr[i] = d->ret_chunks[i];
    if (d->ret_cut)
        rec->x.body_note = body_note_add(rec->x.body_note, side->name, BODY_NOTE_CUT, &im->arena);
}

/* True if the encoding ended early. */
static bool undo(struct import *im, const struct side *side, bool has_chunks)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    struct err ignored; /* seal meets it again, and notes it */
    struct body_decoding d = {
        .body = *side->body,
        .encoding = call_header_find(side->headers, side->header_count, "content-encoding"),
        .media_type = call_header_find(side->headers, side->header_count, "content-type"),
        .told = *side->encoded,
        .out = &out,
    };

    if (has_chunks)
        use_chunks(im, &d);
    enum body_coding coding = body_decode(&d, &ignored);
    *side->encoded = coding == BODY_ENCODED;
    if (coding == BODY_DECODED)
        take(im, side, &d);
    return coding == BODY_DECODED && d.ret_cut;
}

void import_undo_encodings(struct import *im)
{
    struct import_record *rec = &im->record;
    struct exchange *x = &rec->x;
    const struct side request = {
        .name = "request",
        .headers = rec->request_headers.ptr,
        .header_count = rec->request_headers.len,
        .body = &x->request_body,
        .encoded = &x->request_body_encoded,
        .wire_bytes = &x->request_bytes,
    };
    const struct side response = {
        .name = "response",
        .headers = rec->response_headers.ptr,
        .header_count = rec->response_headers.len,
        .body = &x->response_body,
        .encoded = &x->response_body_encoded,
        .wire_bytes = &x->response_bytes,
    };

    undo(im, &request, false);
    x->truncated |= undo(im, &response, true);
}
