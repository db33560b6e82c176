/* alerts_parts - the kinds of alerts, for analyze/alerts*.c alone. */
#ifndef ANALYZE_ALERTS_PARTS_H
#define ANALYZE_ALERTS_PARTS_H

#include "analyze/alerts.h"
#include "base/figure.h"

/* Whose cells. */
struct alerts_scope {
    bool is_all;
    enum series_name name;
    uint32_t code;
};

/* Which days are compared, and how: what came before is taken times scale. */
struct alerts_days {
    const uint8_t *roles; /* a byte a day: ALERTS_NOW, ALERTS_BEFORE, 0 */
    double scale;
};
enum {
    ALERTS_NOW = 1,
    ALERTS_BEFORE = 2,
};

/* Adds an alert that names nobody yet; detail "" = none. */
struct alert *alerts_add(struct alerts *a, enum alert_kind kind, const char *of, struct str name,
                         struct str period, struct str detail);
void alerts_say(struct alerts *a, struct alert *alert, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Names who caused the rise. */
void alerts_name_culprits(const struct alerts_input *in, const struct alerts_scope *scope,
                          const struct alerts_days *days, struct alerts *a, struct alert *alert);
bool alerts_is_in(const struct alerts_scope *scope, const struct series_cell *cell);
/* "team cx", "all", "no team". */
struct str alerts_subject(const struct alert *alert, struct arena *arena);
/* "2026-10-12" of a day since 1970-01-01; "2026-10" of its month. */
struct str alerts_day_text(struct arena *arena, int64_t day);
struct str alerts_month_text(struct arena *arena, int64_t day);

void alerts_find_spend(const struct alerts_input *in, struct alerts *a);
void alerts_find_budgets(const struct alerts_input *in, struct alerts *a);
void alerts_find_faults(const struct alerts_input *in, struct alerts *a);
void alerts_find_shifts(const struct alerts_input *in, struct alerts *a);

#endif
