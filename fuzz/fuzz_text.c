/* The small texts - moments, durations, decimals, base64, identifiers - over arbitrary bytes: what
 * is understood, written out and read again must be the same. */
#include "config.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base64.h"
#include "base/decimal.h"
#include "base/timestamp.h"
#include "base/uuid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_moment(struct str text)
{
    char out[TIMESTAMP_TEXT_BYTES];
    int64_t us, again;

    if (timestamp_parse(text, &us) || timestamp_parse_http(text, &us)) {
        assert(civil_to_us(civil_from_us(us)) == us);
        /* An offset or a leap second can lead just past the years that have four digits. */
        if (us >= INT64_C(-62135596800000000) && us <= INT64_C(253402300799999999))
            assert(timestamp_parse(str_from(timestamp_format(us, out)), &again) && again == us);
    }
    if (duration_parse(text, &us))
        assert(us >= 0);
}

static void check_decimal(struct str text)
{
    char out[DECIMAL_TEXT_BYTES];
    i128 value, again;

    for (int scale = 0; scale <= 12; scale += 6) {
        enum decimal_result r = decimal_parse(text, scale, &value);
        if (r != DECIMAL_OK && r != DECIMAL_ROUNDED)
            continue;
        struct str written = str_from(decimal_format(value, scale, out));
        assert(decimal_parse(written, scale, &again) == DECIMAL_OK && again == value);
    }
}

static void check_base64(struct str text)
{
    CLEANUP(buf_release) struct buf bytes = { 0 }, out = { 0 }, again = { 0 };
    struct err err;

    if (base64_decode(&bytes, text, &err) < 0)
        return;
    base64_encode(&out, buf_str(&bytes));
    assert(base64_decode(&again, buf_str(&out), &err) == 0);
    assert(str_eq(buf_str(&bytes), buf_str(&again)));
}

static void check_uuid(struct str text)
{
    char out[UUID_TEXT_BYTES];
    struct uuid id;

    if (uuid_parse(text, &id))
        assert(str_ieq(str_from(uuid_format(id, out)), text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = { (const char *)data, size };

    check_moment(text);
    check_decimal(text);
    check_base64(text);
    check_uuid(text);
    return 0;
}
