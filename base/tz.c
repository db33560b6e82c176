/* The time zone half of timestamp.h: TZif files (RFC 8536, now RFC 9636) and POSIX TZ rules. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/timestamp.h"

#define TZ_FOLDER         "/usr/share/zoneinfo"
#define TZ_NAME_BYTES_MAX 100
#define TZ_FILE_BYTES_MAX (1u << 20) /* the largest of 2025 has 3.5 KB */
#define TZ_OFFSET_MAX     (26 * 3600)
#define HEADER_BYTES      44
#define SECONDS_PER_DAY   INT64_C(86400)
#define SECONDS_PER_CYCLE (146097 * SECONDS_PER_DAY)

enum rule_day {
    RULE_JULIAN,    /* Jn: day 1-365, 29 February never counted */
    RULE_ZERO_BASE, /* n: day 0-365, 29 February counted */
    RULE_MONTH,     /* Mm.w.d: weekday d (0 = Sunday) of week w (5 = last) */
};

/* When, each year, the clocks change. */
struct rule {
    enum rule_day kind;
    int month, week, day;
    int32_t second; /* of the local day, -167 to 167 hours */
};

struct transition {
    int64_t at; /* seconds since 1970, UTC */
    int32_t offset;
};

struct tz {
    struct transition *transitions; /* ascending */
    size_t len;
    int32_t first_offset; /* before the first transition */
    /* The footer, for what comes after the last transition. */
    bool has_rules;
    bool has_dst;
    int32_t standard_offset, dst_offset;
    struct rule dst_begins, dst_ends;
};

/* ---- the footer: a POSIX TZ string such as CET-1CEST,M3.5.0,M10.5.0/3 ---- */

static bool take(struct str *s, char c)
{
    if (s->len == 0 || s->ptr[0] != c)
        return false;
    *s = str_sub(*s, 1, SIZE_MAX);
    return true;
}

/* A number of 1 to 3 digits, between low and high. */
static bool take_number(struct str *s, int low, int high, int *ret)
{
    int value = 0, count = 0;

    while (count < 3 && s->len && s->ptr[0] >= '0' && s->ptr[0] <= '9') {
        value = value * 10 + (s->ptr[0] - '0');
        *s = str_sub(*s, 1, SIZE_MAX);
        count++;
    }
    *ret = value;
    return count > 0 && value >= low && value <= high;
}

/* [+-]h[:mm[:ss]] in seconds. */
static bool take_hms(struct str *s, int hours_max, int32_t *ret)
{
    int hours, minutes = 0, seconds = 0;
    bool negative = take(s, '-');

    if (!negative)
        take(s, '+');
    if (!take_number(s, 0, hours_max, &hours))
        return false;
    if (take(s, ':') &&
        (!take_number(s, 0, 59, &minutes) || (take(s, ':') && !take_number(s, 0, 59, &seconds))))
        return false;
    *ret = (negative ? -1 : 1) * (hours * 3600 + minutes * 60 + seconds);
    return true;
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* An abbreviation, three letters or more, or anything within <>; we have no use for it. */
static bool take_abbreviation(struct str *s)
{
    if (take(s, '<')) {
        ptrdiff_t end = str_find_char(*s, '>', 0);
        if (end < 0)
            return false;
        *s = str_sub(*s, (size_t)end + 1, SIZE_MAX);
        return true;
    }
    size_t len = 0;
    while (len < s->len && is_letter(s->ptr[len]))
        len++;
    *s = str_sub(*s, len, SIZE_MAX);
    return len >= 3;
}

/* ",date[/time]" */
static bool take_rule(struct str *s, struct rule *ret)
{
    struct rule rule = { .second = 2 * 3600 };

    if (!take(s, ','))
        return false;
    if (take(s, 'M')) {
        rule.kind = RULE_MONTH;
        if (!take_number(s, 1, 12, &rule.month) || !take(s, '.') ||
            !take_number(s, 1, 5, &rule.week) || !take(s, '.') || !take_number(s, 0, 6, &rule.day))
            return false;
    } else {
        rule.kind = take(s, 'J') ? RULE_JULIAN : RULE_ZERO_BASE;
        if (!take_number(s, rule.kind == RULE_JULIAN ? 1 : 0, 365, &rule.day))
            return false;
    }
    if (take(s, '/') && !take_hms(s, 167, &rule.second))
        return false;
    *ret = rule;
    return true;
}

/* Offsets in POSIX strings are what to add to local time, so their sign is turned. */
static bool parse_footer(struct str s, struct tz *tz)
{
    if (!take_abbreviation(&s) || !take_hms(&s, 24, &tz->standard_offset))
        return false;
    tz->standard_offset = -tz->standard_offset;
    tz->has_rules = true;
    if (s.len == 0)
        return true;
    tz->has_dst = true;
    if (!take_abbreviation(&s))
        return false;
    tz->dst_offset = tz->standard_offset + 3600;
    if (s.len && s.ptr[0] != ',') {
        if (!take_hms(&s, 24, &tz->dst_offset))
            return false;
        tz->dst_offset = -tz->dst_offset;
    }
    return take_rule(&s, &tz->dst_begins) && take_rule(&s, &tz->dst_ends) && s.len == 0;
}

static int64_t date_seconds(int year, int month, int day)
{
    return civil_to_us((struct civil){ .year = year, .month = month, .day = day }) / US_PER_SECOND;
}

/* The local second, counted from 1970, at which rule applies in year. */
static int64_t rule_second(const struct rule *rule, int year)
{
    bool leap = date_seconds(year, 3, 1) - date_seconds(year, 2, 28) > SECONDS_PER_DAY;
    int day = rule->day;

    if (rule->kind == RULE_ZERO_BASE)
        return date_seconds(year, 1, 1 + day) + rule->second;
    if (rule->kind == RULE_JULIAN)
        return date_seconds(year, 1, day + (leap && day >= 60)) + rule->second;
    struct civil first = { .year = year, .month = rule->month, .day = 1 };
    int monday_based = (rule->day + 6) % 7;
    day = 1 + (monday_based - civil_weekday(first) + 7) % 7 + 7 * (rule->week - 1);
    int64_t next_month = date_seconds(year, rule->month + 1, 1);
    while (date_seconds(year, rule->month, day) >= next_month)
        day -= 7;
    return date_seconds(year, rule->month, day) + rule->second;
}

static int32_t offset_by_rules(const struct tz *tz, int64_t second)
{
    if (!tz->has_dst)
        return tz->standard_offset;
    /* Dates and weekdays repeat every 400 years, which keeps any second within the calendar. */
    second %= SECONDS_PER_CYCLE;
    int year = civil_from_us((second + tz->standard_offset) * US_PER_SECOND).year;
    int64_t begin = rule_second(&tz->dst_begins, year) - tz->standard_offset;
    int64_t end = rule_second(&tz->dst_ends, year) - tz->dst_offset;
    bool dst = begin < end ? second >= begin && second < end : second >= begin || second < end;
    return dst ? tz->dst_offset : tz->standard_offset;
}

/* ---- TZif ---- */

struct header {
    uint8_t version;
    size_t isut_count, isstd_count, leap_count, time_count, type_count, char_count;
};

static int64_t be_signed(const char *at, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | (uint8_t)at[i];
    return bytes == 4 ? (int64_t)(int32_t)(uint32_t)value : (int64_t)value;
}

static int bad_file(struct err *err, const char *why)
{
    return err_set(err, ERR_CORRUPT, "not a valid TZif file: %s", why);
}

/* Counts are below TZ_FILE_BYTES_MAX each, so that sums of their products cannot overflow. */
static int take_header(struct str *s, struct header *ret, struct err *err)
{
    size_t counts[6];

    if (s->len < HEADER_BYTES || memcmp(s->ptr, "TZif", 4) != 0)
        return bad_file(err, "no TZif header");
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        int64_t count = be_signed(s->ptr + 20 + 4 * i, 4);
        if (count < 0 || count > TZ_FILE_BYTES_MAX)
            return bad_file(err, "a count is out of range");
        counts[i] = (size_t)count;
    }
    *ret = (struct header){ (uint8_t)s->ptr[4], counts[0], counts[1], counts[2],
                            counts[3],          counts[4], counts[5] };
    *s = str_sub(*s, HEADER_BYTES, SIZE_MAX);
    return 0;
}

static size_t block_bytes(const struct header *h, size_t time_bytes)
{
    return h->time_count * (time_bytes + 1) + h->type_count * 6 + h->char_count +
           h->leap_count * (time_bytes + 4) + h->isstd_count + h->isut_count;
}

/* Reads the transitions and offsets of a data block that is known to be all there. */
static int read_block(struct str s, const struct header *h, size_t time_bytes, struct tz *tz,
                      struct err *err)
{
    const char *times = s.ptr, *indexes = times + h->time_count * time_bytes;
    const char *types = indexes + h->time_count;

    if (h->type_count == 0 || h->type_count > 256)
        return bad_file(err, "no or too many kinds of local time");
    if (h->leap_count > 0)
        return err_set(err, ERR_UNSUPPORTED, "it counts leap seconds, as we do not");
    tz->transitions = mem_calloc(h->time_count, sizeof(*tz->transitions));
    for (size_t i = 0; i < h->type_count; i++) {
        int64_t offset = be_signed(types + 6 * i, 4);
        if (offset < -TZ_OFFSET_MAX || offset > TZ_OFFSET_MAX)
            return bad_file(err, "an offset is out of range");
    }
    for (; tz->len < h->time_count; tz->len++) {
        uint8_t type = (uint8_t)indexes[tz->len];
        if (type >= h->type_count)
            return bad_file(err, "a transition to no kind of local time");
        struct transition t = { be_signed(times + tz->len * time_bytes, time_bytes),
                                (int32_t)be_signed(types + 6 * type, 4) };
        if (tz->len > 0 && t.at <= tz->transitions[tz->len - 1].at)
            return bad_file(err, "its transitions are not in order");
        tz->transitions[tz->len] = t;
    }
    tz->first_offset = (int32_t)be_signed(types, 4);
    return 0;
}

/* Between newlines; may be empty. */
static int read_footer(struct str s, struct tz *tz, struct err *err)
{
    if (!take(&s, '\n'))
        return bad_file(err, "no footer");
    ptrdiff_t end = str_find_char(s, '\n', 0);
    if (end < 0)
        return bad_file(err, "its footer has no end");
    if (end > 0 && !parse_footer(str_sub(s, 0, (size_t)end), tz))
        return bad_file(err, "its footer is no POSIX TZ string");
    return 0;
}

static int read_tzif(struct str s, struct tz *tz, struct err *err)
{
    struct header h;
    size_t time_bytes = 4;

    if (take_header(&s, &h, err) < 0)
        return -1;
    bool wide = h.version >= '2';
    if (wide) { /* the 32-bit block is for old readers: pass over it */
        if (block_bytes(&h, 4) > s.len)
            return bad_file(err, "it is cut short");
        s = str_sub(s, block_bytes(&h, 4), SIZE_MAX);
        if (take_header(&s, &h, err) < 0)
            return -1;
        time_bytes = 8;
    }
    if (block_bytes(&h, time_bytes) > s.len)
        return bad_file(err, "it is cut short");
    if (read_block(s, &h, time_bytes, tz, err) < 0)
        return -1;
    return wide ? read_footer(str_sub(s, block_bytes(&h, 8), SIZE_MAX), tz, err) : 0;
}

/* ---- names ---- */

/* Letters, digits and the few signs in real names: nothing that leads out of the folder. */
static bool is_zone_name(struct str name)
{
    if (name.len == 0 || name.len > TZ_NAME_BYTES_MAX || name.ptr[0] == '/' ||
        str_find(name, STR(".."), 0) >= 0)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!is_letter(c) && !(c >= '0' && c <= '9') && (!c || !strchr("_+-/", c)))
            return false;
    }
    return true;
}

/* "+02:00", "+0200", "+02", "-5". */
static bool parse_fixed(struct str name, int32_t *ret)
{
    bool negative = name.len && name.ptr[0] == '-';
    int hours, minutes = 0;

    if (!take(&name, '+') && !take(&name, '-'))
        return false;
    ptrdiff_t colon = str_find_char(name, ':', 0);
    size_t split = colon >= 0 ? (size_t)colon : name.len == 4 ? 2 : name.len;
    struct str before = str_sub(name, 0, split);
    struct str after = str_sub(name, split + (colon >= 0), SIZE_MAX);
    if (before.len > 2 || !take_number(&before, 0, 23, &hours) || before.len)
        return false;
    if (split < name.len && (after.len != 2 || !take_number(&after, 0, 59, &minutes) || after.len))
        return false;
    *ret = (negative ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

static int open_zone_file(struct str name, struct buf *ret, struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 };
    const char *folder = getenv("TZDIR");

    if (!folder || !*folder)
        folder = TZ_FOLDER;
    if (!file_exists(folder))
        return err_set(err, ERR_USAGE,
                       "time zone '%.*s': there is no time zone database in '%s'; install the "
                       "package tzdata, or use an offset such as +02:00",
                       STR_ARG(name), folder);
    buf_addf(&path, "%s/%.*s", folder, STR_ARG(name));
    if (file_read(buf_cstr(&path), TZ_FILE_BYTES_MAX, ret, err) == 0)
        return 0;
    if (err->sys != ENOENT && err->sys != ENOTDIR && err->sys != EISDIR)
        return -1;
    return err_set(err, ERR_USAGE,
                   "unknown time zone '%.*s': expected a name such as Europe/Berlin, UTC, or an "
                   "offset such as +02:00",
                   STR_ARG(name));
}

int tz_open(struct str name, struct tz **ret, struct err *err)
{
    CLEANUP(tz_close) struct tz *tz = mem_calloc(1, sizeof(*tz));
    CLEANUP(buf_release) struct buf file = { 0 };

    if (!str_eq(name, STR("UTC")) && !str_eq(name, STR("Z")) &&
        !parse_fixed(name, &tz->first_offset)) {
        if (!is_zone_name(name))
            return err_set(err, ERR_USAGE,
                           "'%.*s' is no time zone: expected a name such as Europe/Berlin, UTC, or "
                           "an offset such as +02:00",
                           STR_ARG(str_sub(name, 0, TZ_NAME_BYTES_MAX)));
        if (open_zone_file(name, &file, err) < 0)
            return -1;
        if (read_tzif(buf_str(&file), tz, err) < 0)
            return err_wrap(err, "time zone '%.*s'", STR_ARG(name));
    }
    *ret = TAKE(tz);
    return 0;
}

void tz_close(struct tz *tz)
{
    if (!tz)
        return;
    free(tz->transitions);
    free(tz);
}

static int64_t floor_second(int64_t us)
{
    return us / US_PER_SECOND - (us % US_PER_SECOND < 0);
}

static int32_t offset_at_second(const struct tz *tz, int64_t second)
{
    size_t low = 0, high = tz->len; /* transitions before low are at or before second */

    if (tz->len == 0 || second >= tz->transitions[tz->len - 1].at) {
        if (tz->has_rules)
            return offset_by_rules(tz, second);
        return tz->len ? tz->transitions[tz->len - 1].offset : tz->first_offset;
    }
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (tz->transitions[mid].at <= second)
            low = mid + 1;
        else
            high = mid;
    }
    return low ? tz->transitions[low - 1].offset : tz->first_offset;
}

int32_t tz_offset_at(const struct tz *tz, int64_t us)
{
    return offset_at_second(tz, floor_second(us));
}

/* The offsets a day before and a day after frame any change near the wall time.  Where both name a
 * moment (an overlap) the one before gives the earlier; where neither does (a gap) the one before
 * gives the later. */
int64_t tz_to_utc(const struct tz *tz, struct civil local)
{
    int64_t as_utc = civil_to_us(local), second = floor_second(as_utc);
    int32_t before = offset_at_second(tz, second - SECONDS_PER_DAY);
    int32_t after = offset_at_second(tz, second + SECONDS_PER_DAY);

    if (before != after && offset_at_second(tz, second - before) != before &&
        offset_at_second(tz, second - after) == after)
        return as_utc - after * US_PER_SECOND;
    return as_utc - before * US_PER_SECOND;
}
