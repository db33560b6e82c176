/* Time zones: files we build ourselves, and every zone of the system's database against the C
 * library. */
#include "config.h"

#include "base/timestamp.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/file.h"
#include "tests/check_main.h"
#include "tests/temp_folder.h"

#define SYSTEM_FOLDER "/usr/share/zoneinfo"

static struct err err;

/* ---- building TZif files ---- */

struct spec {
    const int64_t *times; /* seconds, each to the type of the same index + 1 */
    size_t time_count;
    const int32_t *offsets; /* one per type */
    size_t type_count;
    size_t leap_count;
    const char *footer;
};

static void put_be(struct buf *out, int64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        buf_add_byte(out, (char)(value >> (8 * i)));
}

static void put_header(struct buf *out, char version, const struct spec *s)
{
    buf_add_text(out, "TZif");
    buf_add_byte(out, version);
    for (int i = 0; i < 15; i++)
        buf_add_byte(out, 0);
    put_be(out, 0, 4);
    put_be(out, 0, 4);
    put_be(out, (int64_t)s->leap_count, 4);
    put_be(out, (int64_t)s->time_count, 4);
    put_be(out, (int64_t)s->type_count, 4);
    put_be(out, 4, 4);
}

static void put_block(struct buf *out, const struct spec *s, int time_bytes)
{
    for (size_t i = 0; i < s->time_count; i++)
        put_be(out, s->times[i], time_bytes);
    for (size_t i = 0; i < s->time_count; i++)
        buf_add_byte(out, (char)(i + 1));
    for (size_t i = 0; i < s->type_count; i++) {
        put_be(out, s->offsets[i], 4);
        put_be(out, 0, 2);
    }
    buf_add(out, "XXX", 4);
    for (size_t i = 0; i < s->leap_count; i++) {
        put_be(out, 78796800, time_bytes);
        put_be(out, 1, 4);
    }
}

static void build(struct buf *out, const struct spec *s)
{
    static const int32_t zero[] = { 0 };
    static const struct spec empty = { .offsets = zero, .type_count = 1 };

    put_header(out, '2', &empty);
    put_block(out, &empty, 4);
    put_header(out, '2', s);
    put_block(out, s, 8);
    buf_addf(out, "\n%s\n", s->footer);
}

static void save(const char *name, struct str bytes)
{
    FILE *file = fopen(temp_path(name), "w"); /* not file_replace: thousands, and no need to sync */

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes.ptr, 1, bytes.len, file), bytes.len);
    ck_assert_int_eq(fclose(file), 0);
    setenv("TZDIR", temp_folder, 1);
}

static struct tz *open_zone(const char *name)
{
    struct tz *tz = NULL;

    ck_assert_msg(tz_open(str_from(name), &tz, &err) == 0, "%s", err.text);
    return tz;
}

/* A zone that is nothing but its footer. */
static struct tz *open_footer(const char *footer)
{
    static const int32_t lmt[] = { 1 };
    CLEANUP(buf_release) struct buf bytes = { 0 };

    build(&bytes, &(struct spec){ .offsets = lmt, .type_count = 1, .footer = footer });
    save("Test", buf_str(&bytes));
    return open_zone("Test");
}

static int64_t moment(const char *text)
{
    int64_t us = 0;

    ck_assert_msg(timestamp_parse(str_from(text), &us), "%s", text);
    return us;
}

/* ---- offsets by rule ---- */

#define BERLIN   "CET-1CEST,M3.5.0,M10.5.0/3"
#define NEW_YORK "EST5EDT,M3.2.0,M11.1.0"
#define NUUK     "<-02>2<-01>,M3.5.0/-1,M10.5.0/0"

static const struct offset_row {
    const char *footer, *time;
    int32_t offset;
} offsets[] = {
    {BERLIN,                                          "2025-03-30T00:59:59.999999Z", 3600  },
    { BERLIN,                                         "2025-03-30T01:00:00Z",        7200  },
    { BERLIN,                                         "2025-10-26T00:59:59Z",        7200  },
    { BERLIN,                                         "2025-10-26T01:00:00Z",        3600  },
    { BERLIN,                                         "2050-03-27T00:59:59Z",        3600  },
    { BERLIN,                                         "2050-03-27T01:00:00Z",        7200  },
    { BERLIN,                                         "2050-10-30T00:59:59Z",        7200  },
    { BERLIN,                                         "2050-10-30T01:00:00Z",        3600  },
    { BERLIN,                                         "2024-12-31T23:30:00Z",        3600  },
    { NEW_YORK,                                       "2025-03-09T06:59:59Z",        -18000},
    { NEW_YORK,                                       "2025-03-09T07:00:00Z",        -14400},
    { NEW_YORK,                                       "2025-11-02T05:59:59Z",        -14400},
    { NEW_YORK,                                       "2025-11-02T06:00:00Z",        -18000},
    { NEW_YORK,                                       "2050-03-13T07:00:00Z",        -14400},
    { NEW_YORK,                                       "2050-11-06T06:00:00Z",        -18000},
    { NUUK,                                           "2025-03-30T00:59:59Z",        -7200 },
    { NUUK,                                           "2025-03-30T01:00:00Z",        -3600 },
    { "UTC0",                                         "2050-01-01T00:00:00Z",        0     },
    { "<+0545>-5:45",                                 "2050-01-01T00:00:00Z",        20700 },
    { "<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45", "2050-01-01T00:00:00Z",        49500 },
    { "<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45", "2050-07-01T00:00:00Z",        45900 },
    { "IST-1GMT0,M10.5.0,M3.5.0/1",                   "2050-01-01T00:00:00Z",        0     },
    { "IST-1GMT0,M10.5.0,M3.5.0/1",                   "2050-07-01T00:00:00Z",        3600  },
    { "IST-2IDT,M3.4.4/26,M10.5.0",                   "2025-03-27T23:59:59Z",        7200  },
    { "IST-2IDT,M3.4.4/26,M10.5.0",                   "2025-03-28T00:00:00Z",        10800 },
 /* Daylight saving all year (RFC 9636 3.3.1), and the two other forms of a date. */
    { "XXX3EDT4,0/0,J365/23",                         "2050-01-01T03:59:59Z",        -14400},
    { "XXX3EDT4,0/0,J365/23",                         "2050-06-01T00:00:00Z",        -14400},
    { "AAA0BBB,J60/0,J300/0",                         "2024-02-29T23:59:59Z",        0     },
    { "AAA0BBB,J60/0,J300/0",                         "2024-03-01T00:00:00Z",        3600  },
    { "AAA0BBB,J60/0,J300/0",                         "2023-03-01T00:00:00Z",        3600  },
    { "AAA0BBB,J59/0,J300/0",                         "2024-02-28T00:00:00Z",        3600  },
    { "AAA0BBB,J59/0,J300/0",                         "2023-02-27T23:59:59Z",        0     },
    { "AAA0BBB,59/0,300/0",                           "2024-02-29T00:00:00Z",        3600  },
    { "AAA0BBB,59/0,300/0",                           "2023-02-28T23:59:59Z",        0     },
    { "AAA0BBB,59/0,300/0",                           "2023-03-01T00:00:00Z",        3600  },
};

START_TEST(the_footer_rules_where_transitions_end)
{
    const struct offset_row *row = &offsets[_i];
    CLEANUP(tz_close) struct tz *tz = open_footer(row->footer);

    ck_assert_msg(tz_offset_at(tz, moment(row->time)) == row->offset, "%s at %s: %d", row->footer,
                  row->time, tz_offset_at(tz, moment(row->time)));
}
END_TEST

START_TEST(rules_hold_for_any_moment_there_is)
{
    CLEANUP(tz_close) struct tz *tz = open_footer(BERLIN);

    for (int shift = 0; shift < 63; shift++) {
        int32_t later = tz_offset_at(tz, INT64_MAX >> shift);
        int32_t earlier = tz_offset_at(tz, INT64_MIN >> shift);
        ck_assert(later == 3600 || later == 7200);
        ck_assert(earlier == 3600 || earlier == 7200);
    }
}
END_TEST

START_TEST(transitions_rule_before_the_footer)
{
    static const int64_t times[] = { 0, 1000000000 };
    static const int32_t types[] = { -75, 3600, 7200 };
    CLEANUP(buf_release) struct buf bytes = { 0 };

    build(&bytes, &(struct spec){ times, 2, types, 3, 0, "AAA-3" });
    save("Test", buf_str(&bytes));
    CLEANUP(tz_close) struct tz *tz = open_zone("Test");
    ck_assert_int_eq(tz_offset_at(tz, -1), -75);
    ck_assert_int_eq(tz_offset_at(tz, 0), 3600);
    ck_assert_int_eq(tz_offset_at(tz, INT64_C(999999999999999)), 3600);
    ck_assert_int_eq(tz_offset_at(tz, INT64_C(1000000000000000)), 10800);
}
END_TEST

START_TEST(without_a_footer_the_last_transition_stays)
{
    static const int64_t times[] = { 0, 1000000000 };
    static const int32_t types[] = { -75, 3600, 7200 };
    CLEANUP(buf_release) struct buf bytes = { 0 };

    build(&bytes, &(struct spec){ times, 2, types, 3, 0, "" });
    save("Test", buf_str(&bytes));
    CLEANUP(tz_close) struct tz *tz = open_zone("Test");
    ck_assert_int_eq(tz_offset_at(tz, moment("2050-01-01")), 7200);
}
END_TEST

START_TEST(a_version_1_file_is_read_by_its_32_bit_block)
{
    static const int64_t times[] = { -1000000000, 1000000000 };
    static const int32_t types[] = { -75, 3600, 7200 };
    const struct spec spec = { times, 2, types, 3, 0, NULL };
    CLEANUP(buf_release) struct buf bytes = { 0 };

    put_header(&bytes, 0, &spec);
    put_block(&bytes, &spec, 4);
    save("Old", buf_str(&bytes));
    CLEANUP(tz_close) struct tz *tz = open_zone("Old");
    ck_assert_int_eq(tz_offset_at(tz, INT64_C(-1000000001000000)), -75);
    ck_assert_int_eq(tz_offset_at(tz, INT64_C(-1000000000000000)), 3600);
    ck_assert_int_eq(tz_offset_at(tz, INT64_C(1000000000000000)), 7200);
}
END_TEST

/* ---- wall time to UTC ---- */

static const struct wall_row {
    const char *footer, *wall, *utc;
} walls[] = {
    {BERLIN,                          "2025-01-15T12:00:00",   "2025-01-15T11:00:00Z"  },
    { BERLIN,                         "2025-07-15T12:00:00",   "2025-07-15T10:00:00Z"  },
    { BERLIN,                         "2025-03-30T01:59:59",   "2025-03-30T00:59:59Z"  },
    { BERLIN,                         "2025-03-30T02:00:00",   "2025-03-30T01:00:00Z"  }, /* the gap */
    { BERLIN,                         "2025-03-30T02:30:00",   "2025-03-30T01:30:00Z"  },
    { BERLIN,                         "2025-03-30T03:00:00",   "2025-03-30T01:00:00Z"  },
    { BERLIN,                         "2025-10-26T01:59:59",   "2025-10-25T23:59:59Z"  },
    { BERLIN,                         "2025-10-26T02:00:00",   "2025-10-26T00:00:00Z"  }, /* the overlap */
    { BERLIN,                         "2025-10-26T02:59:59",   "2025-10-26T00:59:59Z"  },
    { BERLIN,                         "2025-10-26T03:00:00",   "2025-10-26T02:00:00Z"  },
    { NEW_YORK,                       "2025-03-09T02:30:00",   "2025-03-09T07:30:00Z"  },
    { NEW_YORK,                       "2025-03-09T03:00:00",   "2025-03-09T07:00:00Z"  },
    { NEW_YORK,                       "2025-11-02T01:30:00",   "2025-11-02T05:30:00Z"  },
    { NEW_YORK,                       "2025-11-02T02:00:00",   "2025-11-02T07:00:00Z"  },
    { NEW_YORK,                       "2050-07-01T00:00:00.5", "2050-07-01T04:00:00.5Z"},
 /* Midnight is in the gap: the day begins when the gap ends. */
    { "EET-2EEST,M3.5.0/0,M10.5.0/0", "2025-03-30T00:00:00",   "2025-03-29T22:00:00Z"  },
};

START_TEST(a_wall_time_names_a_moment)
{
    CLEANUP(tz_close) struct tz *tz = open_footer(walls[_i].footer);
    int64_t us = tz_to_utc(tz, civil_from_us(moment(walls[_i].wall)));
    char text[TIMESTAMP_TEXT_BYTES];

    ck_assert_msg(us == moment(walls[_i].utc), "%s %s: %s", walls[_i].footer, walls[_i].wall,
                  timestamp_format(us, text));
}
END_TEST

START_TEST(a_day_that_was_left_out_names_its_moments_later)
{
    static const int64_t times[] = { 1325239200 }; /* Apia, 2011-12-30: from -10:00 to +14:00 */
    static const int32_t types[] = { -36000, 50400 };
    static const char *const rows[][2] = {
        {"2011-12-29T23:59:59",  "2011-12-30T09:59:59Z"},
        { "2011-12-30T12:00:00", "2011-12-30T22:00:00Z"},
        { "2011-12-31T00:00:00", "2011-12-30T10:00:00Z"},
        { "2011-12-31T06:00:00", "2011-12-30T16:00:00Z"},
    };
    CLEANUP(buf_release) struct buf bytes = { 0 };

    build(&bytes, &(struct spec){ times, 1, types, 2, 0, "" });
    save("Test", buf_str(&bytes));
    CLEANUP(tz_close) struct tz *tz = open_zone("Test");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        ck_assert_int_eq(tz_to_utc(tz, civil_from_us(moment(rows[i][0]))), moment(rows[i][1]));
}
END_TEST

/* ---- names ---- */

START_TEST(utc_and_fixed_offsets_need_no_database)
{
    static const struct {
        const char *name;
        int32_t offset;
    } rows[] = {
        {"UTC",     0     },
        { "Z",      0     },
        { "+00:00", 0     },
        { "+02:00", 7200  },
        { "-05:30", -19800},
        { "+0545",  20700 },
        { "+02",    7200  },
        { "-8",     -28800},
        { "+23:59", 86340 },
    };

    setenv("TZDIR", temp_path("none"), 1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(tz_close) struct tz *tz = open_zone(rows[i].name);
        ck_assert_int_eq(tz_offset_at(tz, moment("2050-07-01")), rows[i].offset);
        ck_assert_int_eq(tz_to_utc(tz, civil_from_us(0)), -rows[i].offset * US_PER_SECOND);
    }
}
END_TEST

START_TEST(a_missing_database_names_the_package)
{
    struct tz *tz = NULL;

    setenv("TZDIR", temp_path("none"), 1);
    ck_assert_int_eq(tz_open(STR("Europe/Berlin"), &tz, &err), -1);
    ck_assert_int_eq(err.code, ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.text, "install the package tzdata"));
    ck_assert_ptr_nonnull(strstr(err.text, temp_path("none")));
    ck_assert_ptr_null(tz);
}
END_TEST

static const char *const bad_names[] = {
    "",
    "Folder",
    "Nowhere/Land",
    "../etc/passwd",
    "/etc/localtime",
    "Europe/../../x",
    "Europe Berlin",
    "+",
    "+24:00",
    "+02:60",
    "+2:0",
    "+02:",
    "+123",
    "+:30",
    "+02:00Z",
    "-",
    "Europe/Berlin\n",
    ".",
};

START_TEST(an_unknown_zone_is_refused_with_an_example)
{
    struct tz *tz = NULL;

    setenv("TZDIR", temp_folder, 1);
    ck_assert_int_eq(dir_make(temp_path("Folder"), &err), 0);
    ck_assert_int_eq(tz_open(str_from(bad_names[_i]), &tz, &err), -1);
    ck_assert_int_eq(err.code, ERR_USAGE);
    ck_assert_msg(strstr(err.text, "expected a name such as Europe/Berlin") != NULL, "%s",
                  err.text);
}
END_TEST

/* ---- damage ---- */

static const char *const bad_footers[] = {
    "X",
    "AB1",
    "CET",
    "CET-1CEST",
    "CET-1CEST,M3.5.0",
    "CET-25",
    "CET-1CEST,M3.5.0,M10.5.0/3x",
    "CET-1CEST,M13.5.0,M10.5.0",
    "CET-1CEST,M3.6.0,M10.5.0",
    "CET-1CEST,M3.0.0,M10.5.0",
    "CET-1CEST,M3.5.7,M10.5.0",
    "CET-1CEST,J0,J366",
    "CET-1CEST,J1,J366",
    "CET-1CEST,1,366",
    "CET-1CEST,M3.5.0/168,M10.5.0",
    "<CET-1",
    "CET-1:60",
    "CET-1CEST,M3.5.0,M10.5.0/3:60",
};

START_TEST(a_footer_that_is_no_rule_is_damage)
{
    static const int32_t lmt[] = { 1 };
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct tz *tz = NULL;

    build(&bytes, &(struct spec){ .offsets = lmt, .type_count = 1, .footer = bad_footers[_i] });
    save("Test", buf_str(&bytes));
    ck_assert_msg(tz_open(STR("Test"), &tz, &err) == -1, "%s", bad_footers[_i]);
    ck_assert_int_eq(err.code, ERR_CORRUPT);
    ck_assert_str_eq(err.text, "time zone 'Test': not a valid TZif file: its footer is no POSIX TZ "
                               "string");
}
END_TEST

START_TEST(a_file_with_leap_seconds_is_refused)
{
    static const int32_t lmt[] = { 1 };
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct tz *tz = NULL;

    build(&bytes, &(struct spec){ NULL, 0, lmt, 1, 1, "UTC0" });
    save("Test", buf_str(&bytes));
    ck_assert_int_eq(tz_open(STR("Test"), &tz, &err), -1);
    ck_assert_int_eq(err.code, ERR_UNSUPPORTED);
}
END_TEST

/* Opens the bytes as a zone; when that works, every question must have an answer. */
static bool opens(struct str bytes)
{
    CLEANUP(tz_close) struct tz *tz = NULL;

    save("Test", bytes);
    if (tz_open(STR("Test"), &tz, &err) < 0)
        return false;
    for (int64_t us = INT64_C(-60000000000000000); us < INT64_C(250000000000000000);
         us += INT64_C(1234567890123456)) {
        int32_t offset = tz_offset_at(tz, us);
        if (offset < -26 * 3600 || offset > 26 * 3600)
            ck_abort_msg("offset %d", offset);
        tz_to_utc(tz, civil_from_us(us));
    }
    return true;
}

START_TEST(a_file_cut_at_any_byte_is_refused_and_a_flipped_one_survived)
{
    static const int64_t times[] = { 0, 1000000000 };
    static const int32_t types[] = { -75, 3600, 7200 };
    CLEANUP(buf_release) struct buf bytes = { 0 };

    build(&bytes, &(struct spec){ times, 2, types, 3, 0, BERLIN });
    ck_assert(opens(buf_str(&bytes)));
    for (size_t len = 0; len < bytes.len; len++)
        ck_assert_msg(!opens((struct str){ bytes.ptr, len }), "cut at %zu", len);
    for (size_t i = 0; i < bytes.len; i++) {
        char saved = bytes.ptr[i];
        for (int bit = 0; bit < 8; bit++) {
            bytes.ptr[i] = (char)(saved ^ 1 << bit);
            opens(buf_str(&bytes));
        }
        bytes.ptr[i] = saved;
    }
}
END_TEST

/* ---- the system's database against the C library ---- */

static void compare_zone(const char *name, int64_t from, int64_t to, int64_t step)
{
    CLEANUP(tz_close) struct tz *tz = open_zone(name);
    char variable[200];

    snprintf(variable, sizeof(variable), ":%s", name);
    setenv("TZ", variable, 1);
    tzset();
    for (int64_t second = from; second < to; second += step) {
        time_t t = (time_t)second;
        struct tm tm;
        int32_t offset = tz_offset_at(tz, second * US_PER_SECOND);
        /* Not ck_assert: it takes longer than all the rest of this loop. */
        if (!localtime_r(&t, &tm) || offset != tm.tm_gmtoff)
            ck_abort_msg("%s at %lld: %d, not %ld", name, (long long)second, offset, tm.tm_gmtoff);
    }
}

/* The names in zone.tab's third column. */
static size_t compare_all(int64_t step)
{
    CLEANUP(buf_release) struct buf list = { 0 };
    size_t count = 0;

    ck_assert_int_eq(file_read(SYSTEM_FOLDER "/zone.tab", 10 << 20, &list, &err), 0);
    struct str rest = buf_str(&list), line;
    while (str_split(&rest, '\n', &line)) {
        struct str code, place, name;
        if (line.len == 0 || line.ptr[0] == '#' || !str_split(&line, '\t', &code) ||
            !str_split(&line, '\t', &place) || !str_split(&line, '\t', &name))
            continue;
        char text[100];
        snprintf(text, sizeof(text), "%.*s", STR_ARG(name));
        compare_zone(text, INT64_C(-2208988800), INT64_C(4102444800), step);
        count++;
    }
    return count;
}

static bool database_is_missing(void)
{
    unsetenv("TZDIR");
    if (file_exists(SYSTEM_FOLDER "/zone.tab"))
        return false;
    ck_assert_msg(!getenv("CI"), "no time zone database in " SYSTEM_FOLDER);
    puts("SKIP: no time zone database in " SYSTEM_FOLDER " (package tzdata)");
    return true;
}

START_TEST(every_zone_agrees_with_the_c_library_from_1900_to_2100)
{
    if (database_is_missing())
        return;
    ck_assert_uint_gt(compare_all(86400 * 3 + 3607), 300);
}
END_TEST

static const char *const close_zones[] = {
    "Europe/Berlin",     "America/New_York",    "Europe/Dublin", "America/Nuuk",
    "Africa/Casablanca", "Australia/Lord_Howe", "Pacific/Apia",  "America/Sao_Paulo",
    "Africa/Cairo",      "Asia/Gaza",
};

START_TEST(zones_with_odd_rules_agree_every_half_hour)
{
    if (database_is_missing())
        return;
    compare_zone(close_zones[_i], INT64_C(1262304000), INT64_C(1924992000), 1800);
    compare_zone(close_zones[_i], INT64_C(2524608000), INT64_C(2556144000), 1800);
}
END_TEST

/* UTC -> wall -> UTC gives the same moment, or, in the second half of an overlap, the same wall. */
START_TEST(wall_times_lead_back)
{
    if (database_is_missing())
        return;
    CLEANUP(tz_close) struct tz *tz = open_zone(close_zones[_i]);
    for (int64_t second = 1262304000; second < 1924992000; second += 1800) {
        int64_t us = second * US_PER_SECOND;
        int64_t wall = us + tz_offset_at(tz, us) * US_PER_SECOND;
        int64_t back = tz_to_utc(tz, civil_from_us(wall));
        if (back > us || back + tz_offset_at(tz, back) * US_PER_SECOND != wall)
            ck_abort_msg("%s: %lld leads back to %lld", close_zones[_i], (long long)us,
                         (long long)back);
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_loop_test(tc, the_footer_rules_where_transitions_end, 0, ARRAY_LEN(offsets));
    tcase_add_test(tc, rules_hold_for_any_moment_there_is);
    tcase_add_test(tc, transitions_rule_before_the_footer);
    tcase_add_test(tc, without_a_footer_the_last_transition_stays);
    tcase_add_test(tc, a_version_1_file_is_read_by_its_32_bit_block);
    tcase_add_loop_test(tc, a_wall_time_names_a_moment, 0, ARRAY_LEN(walls));
    tcase_add_test(tc, a_day_that_was_left_out_names_its_moments_later);
    tcase_add_test(tc, utc_and_fixed_offsets_need_no_database);
    tcase_add_test(tc, a_missing_database_names_the_package);
    tcase_add_loop_test(tc, an_unknown_zone_is_refused_with_an_example, 0, ARRAY_LEN(bad_names));
    tcase_add_loop_test(tc, a_footer_that_is_no_rule_is_damage, 0, ARRAY_LEN(bad_footers));
    tcase_add_test(tc, a_file_with_leap_seconds_is_refused);
    tcase_add_test(tc, a_file_cut_at_any_byte_is_refused_and_a_flipped_one_survived);
    tcase_add_test(tc, every_zone_agrees_with_the_c_library_from_1900_to_2100);
    tcase_add_loop_test(tc, zones_with_odd_rules_agree_every_half_hour, 0, ARRAY_LEN(close_zones));
    tcase_add_loop_test(tc, wall_times_lead_back, 0, ARRAY_LEN(close_zones));
}
CHECK_MAIN("base/tz", add_tests)
