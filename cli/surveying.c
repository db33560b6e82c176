#include "config.h"

#include "cli/surveying.h"

#include "analyze/invoice.h"
#include "analyze/reconcile.h"

/* Held against the days that the invoice covers, whatever span was asked for. */
static int add_invoices(const struct invocation *inv, struct survey *s, struct err *err)
{
    CLEANUP(invoice_release) struct invoice invoice = { 0 };
    CLEANUP(reconcile_side_release) struct reconcile_side ours = { 0 };
    CLEANUP(reconcile_release) struct reconcile r = { 0 };
    const char *const *files = invocation_list(inv, "invoice");
    int64_t from_us, to_us;
    uint64_t providers;

    if (!*files)
        return 0;
    for (; *files; files++)
        if (invoice_read(*files, &invoice, err) < 0)
            return -1;
    if (!invoice.lines.len)
        return err_set(err, ERR_USAGE, "'%s': no line has a cost or a quantity", files[-1]);
    reconcile_span(&invoice, &from_us, &to_us, &providers);
    if (analysis_set_span(&s->analysis, from_us, to_us, err) < 0)
        return -1;
    struct engine_query query = analysis_query(&s->analysis, NULL, 0);
    if (reconcile_count_ours(&query, &ours, err) < 0)
        return -1;
    struct reconcile_options o = { .invoice = &invoice,
                                   .ours = ours.rows.ptr,
                                   .ours_count = ours.rows.len,
                                   .book = s->analysis.book };
    reconcile_run(&o, &r);
    inventory_add_missing(&s->inventory, &r);
    return 0;
}

int survey_run(const struct invocation *inv, const struct survey_options *o, struct survey *ret,
               struct err *err)
{
    *ret = (struct survey){ 0 };
    if (analysis_open_at(inv, o->archives, o->config, &ret->analysis, err) < 0 ||
        analysis_set_span(&ret->analysis, o->from_us, o->to_us, err) < 0)
        return -1;
    struct engine_query query = analysis_query(&ret->analysis, NULL, ENGINE_MONEY);
    if (inventory_count(&query, ret->analysis.conf, &ret->inventory, err) < 0 ||
        inventory_read_tools(&ret->inventory, err) < 0)
        return -1;
    inventory_weigh(&ret->inventory);
    return o->has_invoices ? add_invoices(inv, ret, err) : 0;
}

void survey_release(struct survey *s)
{
    inventory_release(&s->inventory);
    analysis_close(&s->analysis);
}
