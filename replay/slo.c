#include "config.h"

#include "replay/slo.h"

#include "base/figure.h"
#include "base/timestamp.h"

static const struct {
    struct str name;
    enum cell_kind kind;
    bool has_quantile;
} metrics[SLO_METRICS] = {
    [SLO_SUCCESS] = {STR_INIT("success"),   CELL_SHARE,  false},
    [SLO_REROUTED] = { STR_INIT("rerouted"), CELL_SHARE,  false},
    [SLO_DENIED] = { STR_INIT("denied"),   CELL_SHARE,  false},
    [SLO_LEFT] = { STR_INIT("left"),     CELL_SHARE,  false},
    [SLO_ADDED] = { STR_INIT("added"),    CELL_US,     true },
    [SLO_FIRST] = { STR_INIT("first"),    CELL_US,     true },
    [SLO_TOTAL] = { STR_INIT("total"),    CELL_US,     true },
    [SLO_FAILOVER] = { STR_INIT("failover"), CELL_US,     false},
    [SLO_RESTORED] = { STR_INIT("restored"), CELL_US,     false},
    [SLO_RECOVERY] = { STR_INIT("recovery"), CELL_US,     false},
    [SLO_ATTEMPTS] = { STR_INIT("attempts"), CELL_NUMBER, false},
    [SLO_TRIES] = { STR_INIT("tries"),    CELL_NUMBER, false},
    [SLO_COST] = { STR_INIT("cost"),     CELL_USD,    false},
};

/* Longer ones first: they begin like shorter ones. */
static const struct {
    struct str sign;
    int how;
} signs[] = {
    {STR_INIT(">="),  SLO_AT_LEAST},
    { STR_INIT("<="), SLO_AT_MOST },
    { STR_INIT(">"),  SLO_ABOVE   },
    { STR_INIT("<"),  SLO_BELOW   },
};

static int complain(struct str text, const char *why, struct err *err)
{
    return err_set(err, ERR_USAGE,
                   "assertion '%.*s': %s; write such as 'success >= 99.5%%', 'p95 added <= 2s', "
                   "'app NAME: attempts <= 1.2', 'failover <= 2s'; metrics are success, rerouted, "
                   "denied, left, pNN added, pNN first, pNN total, failover, restored, recovery, "
                   "attempts, tries and cost",
                   STR_ARG(text), why);
}

/* "p99.5" to 0.995. */
static bool read_quantile(struct str word, double *ret)
{
    i128 n;

    if (word.len < 2 || word.ptr[0] != 'p' ||
        decimal_parse(str_sub(word, 1, word.len), 4, &n) != DECIMAL_OK || n <= 0 || n > 1000000)
        return false;
    *ret = (double)n / 1e6;
    return true;
}

static int read_metric(struct str text, struct str left, struct slo *ret, struct err *err)
{
    struct str rest = str_trim(left), word;
    bool has_quantile = str_split(&rest, ' ', &word) && read_quantile(word, &ret->quantile);

    word = str_trim(has_quantile ? rest : left);
    for (int m = 0; m < SLO_METRICS; m++) {
        if (!str_eq(word, metrics[m].name))
            continue;
        if (metrics[m].has_quantile != has_quantile)
            return complain(
                text, has_quantile ? "it has no percentiles" : "say of which percentile", err);
        ret->metric = (enum slo_metric)m;
        return 0;
    }
    return complain(text, "no such metric", err);
}

static bool read_bound(struct str text, enum cell_kind kind, i128 *ret)
{
    int64_t us;

    if (kind == CELL_US) {
        *ret = duration_parse(text, &us) ? us : -1;
    } else if (kind == CELL_USD) {
        if (str_ends_with(text, STR("USD")))
            text = str_trim(str_sub(text, 0, text.len - 3));
        return decimal_parse(text, FIGURE_USD_DIGITS, ret) == DECIMAL_OK && *ret >= 0;
    } else {
        bool is_percent = kind == CELL_SHARE && str_ends_with(text, STR("%"));
        if (is_percent)
            text = str_trim(str_sub(text, 0, text.len - 1));
        if (decimal_parse(text, is_percent ? 4 : 6, ret) != DECIMAL_OK)
            return false;
    }
    return *ret >= 0;
}

int slo_parse(struct str text, struct arena *arena, struct slo *ret, struct err *err)
{
    struct str rest = str_trim(text), left;
    ptrdiff_t at = -1;
    size_t sign = 0;

    *ret = (struct slo){ .text = arena_str(arena, rest) };
    rest = ret->text;
    if (str_starts_with(rest, STR("app "))) {
        str_split(&rest, ':', &left);
        if (!rest.ptr)
            return complain(text, "there is no colon behind the application", err);
        ret->app = str_trim(str_sub(left, 4, left.len));
    }
    for (; sign < ARRAY_LEN(signs); sign++)
        if ((at = str_find(rest, signs[sign].sign, 0)) >= 0)
            break;
    if (at < 0)
        return complain(text, "there is none of >=, <=, > and <", err);
    ret->how = (__typeof__(ret->how))signs[sign].how;
    if (read_metric(text, str_sub(rest, 0, (size_t)at), ret, err) < 0)
        return -1;
    struct str right = str_trim(str_sub(rest, (size_t)at + signs[sign].sign.len, rest.len));
    if (!read_bound(right, metrics[ret->metric].kind, &ret->bound))
        return complain(text, "the right side is no such value", err);
    if (metrics[ret->metric].kind == CELL_SHARE && ret->bound > RATIO_ONE)
        return complain(text, "no share is above 100 % (99 is 9900 %)", err);
    return 0;
}

bool slo_holds(const struct slo *s, i128 value)
{
    switch (s->how) {
    case SLO_AT_LEAST:
        return value >= s->bound;
    case SLO_AT_MOST:
        return value <= s->bound;
    case SLO_ABOVE:
        return value > s->bound;
    case SLO_BELOW:
        return value < s->bound;
    }
    return false;
}

enum cell_kind slo_kind(const struct slo *s)
{
    return metrics[s->metric].kind;
}
