/* What becomes known of an exchange after its BEGIN. */
#include "config.h"

#include "capture/exchange_fields.h"
#include "capture/record.h"

/* Who caused it, and what rules may look at. */
static bool is_amendable(const struct exchange_field *f)
{
    bool is_who = f->offset >= offsetof(struct exchange, who) &&
                  f->offset < offsetof(struct exchange, who) + sizeof(struct exchange_who);

    return f->where == FRAME_BEGIN && f->kind == FIELD_TEXT &&
           (is_who || f->offset == offsetof(struct exchange, labels));
}

void record_add_amendments(struct buf *out, const struct exchange *x)
{
    for (size_t i = 0; i < exchange_field_count; i++) {
        const struct exchange_field *f = &exchange_fields[i];
        if (!is_amendable(f))
            continue;
        struct str text = *(const struct str *)(const void *)((const char *)x + f->offset);
        if (text.len)
            journal_add_field(out, exchange_field_frame_name(f), text);
    }
    if (x->request_body_decoded)
        journal_add_field_int(out, FIELD_REQUEST_DECODED, 1);
    if (x->response_body_decoded)
        journal_add_field_int(out, FIELD_RESPONSE_DECODED, 1);
}
