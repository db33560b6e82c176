#include "config.h"

#include "capture/lookup.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/timestamp.h"
#include "capture/ledger_scan.h"

void lookup_release(struct lookup *l)
{
    free(l->segment_path);
    free(l->ledger_path);
    *l = (struct lookup){ 0 };
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static int check_prefix(struct str prefix, struct err *err)
{
    bool ok = prefix.len >= LOOKUP_PREFIX_MIN && prefix.len < UUID_TEXT_BYTES;

    for (size_t i = 0; ok && i < prefix.len; i++)
        ok = i == 8 || i == 13 || i == 18 || i == 23 ? prefix.ptr[i] == '-' : is_hex(prefix.ptr[i]);
    if (!ok)
        return err_set(err, ERR_USAGE,
                       "'%.*s' is not an exchange's id, nor its first %d or more characters",
                       STR_ARG(str_sub(prefix, 0, 60)), LOOKUP_PREFIX_MIN);
    return 0;
}

static int keep_match(const struct archive *a, const struct archive_ledger *ledger,
                      const struct ledger_scan *scan, struct lookup *found, struct err *err)
{
    struct str text = ledger_scan_str(scan, LEDGER_EXCHANGE_ID);
    char other[UUID_TEXT_BYTES];
    struct uuid id;

    if (!uuid_parse(text, &id))
        return err_set(err, ERR_CORRUPT, "ledger '%s': an exchange_id is not a UUID", ledger->path);
    if (found->ledger_path && memcmp(&id, &found->id, sizeof(id)) != 0)
        return err_set(err, ERR_USAGE, "several exchanges begin so: %s, %.*s, ...",
                       uuid_format(found->id, other), STR_ARG(text));
    lookup_release(found);
    found->id = id;
    found->ledger_path = mem_strdup(ledger->path);
    found->segment_path = archive_path(a, "segments/date=%s/%s.tar.zst", ledger->date, ledger->id);
    found->segment_offset = ledger_scan_is_null(scan, LEDGER_SEGMENT_OFFSET)
                                ? -1
                                : ledger_scan_int(scan, LEDGER_SEGMENT_OFFSET);
    return 0;
}

static int search_ledger(const struct archive *a, const struct archive_ledger *ledger,
                         struct str prefix, struct lookup *found, struct err *err)
{
    static const enum ledger_column columns[] = { LEDGER_EXCHANGE_ID, LEDGER_PART,
                                                  LEDGER_SEGMENT_OFFSET };
    CLEANUP(ledger_scan_close) struct ledger_scan *scan = NULL;
    int r;

    if (ledger_scan_open(ledger->path, columns, ARRAY_LEN(columns), &scan, err) < 0)
        return -1;
    while ((r = ledger_scan_next(scan, err)) > 0) {
        struct str id = str_sub(ledger_scan_str(scan, LEDGER_EXCHANGE_ID), 0, prefix.len);
        if (ledger_scan_int(scan, LEDGER_PART) == 0 && str_ieq(id, prefix) &&
            keep_match(a, ledger, scan, found, err) < 0)
            return -1;
    }
    return r < 0 ? err_wrap(err, "ledger '%s'", ledger->path) : 0;
}

static int search(const struct archive *a, struct str prefix, int64_t from_us, int64_t to_us,
                  struct lookup *found, struct err *err)
{
    CLEANUP(archive_ledgers_release) struct archive_ledgers ledgers = { 0 };

    if (archive_ledgers_list(a, from_us, to_us, &ledgers, err) < 0)
        return -1;
    for (size_t i = 0; i < ledgers.len; i++)
        if (search_ledger(a, &ledgers.ptr[i], prefix, found, err) < 0)
            return -1;
    return found->ledger_path ? 1 : 0;
}

int lookup_exchange(const struct archive *a, struct str prefix, struct lookup *ret, struct err *err)
{
    CLEANUP(lookup_release) struct lookup found = { 0 };
    struct uuid id;
    int r = 0;

    if (check_prefix(prefix, err) < 0)
        return -1;
    if (uuid_parse(prefix, &id)) { /* it begins with its time: one date will do */
        int64_t at_us = (int64_t)uuid7_unix_ms(id) * 1000;
        r = search(a, prefix, at_us, at_us + 1, &found, err);
    }
    if (r == 0)
        r = search(a, prefix, INT64_MIN, INT64_MAX, &found, err);
    if (r > 0) {
        *ret = found;
        found = (struct lookup){ 0 };
    }
    return r;
}
