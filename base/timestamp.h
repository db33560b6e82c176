/* timestamp - moments as microseconds since 1970-01-01T00:00:00Z, and time zones.
 *
 * Nothing but clock_now_us reads a clock; everything else is a pure function.
 * Years 1 to 9999.  Leap seconds are folded as POSIX does.
 */
#ifndef BASE_TIMESTAMP_H
#define BASE_TIMESTAMP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define TIMESTAMP_TEXT_BYTES 40
#define US_PER_SECOND        INT64_C(1000000)
#define US_PER_DAY           (INT64_C(86400) * US_PER_SECOND)

int64_t clock_now_us(void);       /* wall */
int64_t clock_monotonic_us(void); /* for durations */

struct civil {
    int year, month, day; /* month 1-12, day 1-31 */
    int hour, minute, second, microsecond;
};

struct civil civil_from_us(int64_t us);
/* Fields past their range carry over: month 13 is next January, day 0 the last of the month before.
 * The year must be within -9999 to 19999, the others within a million. */
int64_t civil_to_us(struct civil c);
/* Monday = 0. */
int civil_weekday(struct civil c);

/* RFC 3339 and its usual relatives: "2026-10-01", "2026-10-01T12:00Z", "2026-10-01
 * 12:00:00.123456+02:00" (more than 6 fraction digits are cut; +0200, +02 and " UTC" too), without
 * a zone = UTC; and Unix time as digits with an optional fraction, told apart by size: seconds from
 * 1e8, milliseconds from 1e11, microseconds from 1e14, nanoseconds from 1e17.  Fewer than 9 digits
 * are refused: "2026" or "20261001" as seconds would silently be a day of 1970. */
bool timestamp_parse(struct str text, int64_t *ret_us);
/* An HTTP Date header in any of the three forms of RFC 9110 5.6.7: "Fri, 31 Jan 2025 17:31:33 GMT",
 * "Friday, 31-Jan-25 17:31:33 GMT" (69 and less = 20xx), "Fri Jan 31 17:31:33 2025".  The day of
 * the week must be a name, but is not checked against the date. */
bool timestamp_parse_http(struct str text, int64_t *ret_us);
/* "2026-10-01T12:00:00.123456Z"; without the fraction where it is zero.  Returns ret. */
char *timestamp_format(int64_t us, char ret[static TIMESTAMP_TEXT_BYTES]);
/* "2026-10-01". */
char *timestamp_format_date(int64_t us, char ret[static TIMESTAMP_TEXT_BYTES]);
/* "90d", "36h", "15m", "30s", "500ms", "2w" (whole numbers, not negative). */
bool duration_parse(struct str text, int64_t *ret_us);

struct tz; /* a zone's rules, read once from the system's tz database (TZif, RFC 8536) */

/* "UTC", "Europe/Berlin", "+02:00".  Looks in the folder TZDIR names, else in /usr/share/zoneinfo.
 * An unknown name, or a missing database, is an error that says so. */
int tz_open(struct str name, struct tz **ret, struct err *err);
void tz_close(struct tz *tz);
DEFINE_CLEANUP(struct tz, tz_close)
/* Seconds to add to UTC at this moment. */
int32_t tz_offset_at(const struct tz *tz, int64_t us);
/* The moment a local wall time names; in a gap the later reading (as if the clock had not been put
 * forward yet), in an overlap the earlier one. */
int64_t tz_to_utc(const struct tz *tz, struct civil local);

#endif
