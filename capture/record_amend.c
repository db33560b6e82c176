/* What becomes known of an exchange after its BEGIN. */
#include "config.h"

#include "capture/exchange_fields.h"
#include "capture/record.h"

#define AT(member) offsetof(struct exchange, member)

/* Of the fields of BEGIN: who caused it, what rules may look at, and who answered. */
static bool is_amendable(const struct exchange_field *f)
{
    static const size_t others[] = { AT(labels), AT(upstream), AT(arm),
                                     AT(scheme), AT(host),     AT(cutover_unit) };
    bool found = f->offset >= AT(who) && f->offset < AT(who) + sizeof(struct exchange_who);

    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        found |= f->offset == others[i];
    return found;
}

void record_add_amendments(struct buf *out, const struct exchange *x)
{
    for (size_t i = 0; i < exchange_field_count; i++) {
        const struct exchange_field *f = &exchange_fields[i];
        if (f->where != FRAME_BEGIN || f->kind != FIELD_TEXT)
            continue;
        struct str text = *(const struct str *)(const void *)((const char *)x + f->offset);
        if (text.len && is_amendable(f))
            journal_add_field(out, exchange_field_frame_name(f), text);
    }
    if (x->cutover_epoch) {
        journal_add_field_int(out, "cutover_epoch", x->cutover_epoch);
        journal_add_field_int(out, "cutover_share", x->cutover_share);
    }
    if (x->request_body_decoded)
        journal_add_field_int(out, FIELD_REQUEST_DECODED, 1);
    if (x->response_body_decoded)
        journal_add_field_int(out, FIELD_RESPONSE_DECODED, 1);
}
