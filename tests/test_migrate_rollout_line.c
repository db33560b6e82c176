/* A line of the ledger has one spelling; any other is refused, and why is said. */
#include "config.h"

#include "migrate/rollout_line.h"

#include "base/digest.h"
#include "tests/rollout_sample.h"

#define ZEROS    "0000000000000000000000000000000000000000000000000000000000000000"
#define BEGIN    "{\"seq\":1,\"prev\":\"" ZEROS "\",\"at\":\"2026-10-01T00:00:00Z\",\"kind\":"
#define HELD     BEGIN "\"held\""
#define INTENT   BEGIN "\"intent\",\"why\":\"advance\",\"actuator\":\"a\",\"epoch\":1,\"moves\":"
#define AT(time) "{\"seq\":1,\"prev\":\"" ZEROS "\",\"at\":\"" time "\",\"kind\":\"held\""

/* Lines without their hash, and what the refusal says; NULL = it is fine. */
static const struct {
    const char *body, *says;
} spellings[] = {
    ROW(HELD, NULL),
    ROW(HELD ",\"detail\":\"a \\\"b\\\" \\\\ \xc3\xa9 \xf0\x9f\x98\x80 \xef\xbf\xbd\"", NULL),
    ROW(HELD ",\"value\":-5", NULL),
    ROW(HELD ",\"value\":9007199254740991", NULL),
    ROW(AT("1970-01-01T00:00:00Z"), NULL),
    ROW(AT("2028-02-29T23:59:59.000001Z"), NULL),
    ROW(AT("9999-12-31T23:59:59.999999Z"), NULL),
    ROW(INTENT "[{\"app\":\"x\",\"from\":0,\"to\":10000}]", NULL),
    ROW("", "no 'seq'"),
    ROW("{", "no 'seq'"),
    ROW("[]", "no 'seq'"),
    ROW(" " HELD, "no 'seq'"),
    ROW(HELD " ", "from byte"),
    ROW(HELD "}", "from byte"),
    ROW(HELD ",\"colour\":\"red\"", "'colour', which this version of weir does not know"),
    ROW(HELD ",\"kind\":\"held\"", "'kind' twice or not in its place"),
    ROW(HELD ",\"value\":1,\"app\":\"x\"", "'app' twice or not in its place"),
    ROW(HELD ",\"app\": \"x\"", "is no text"),
    ROW(HELD ",\"app\":\"\"", "'app' is empty"),
    ROW(HELD ",\"app\":null", "is no text"),
    ROW(HELD ",\"app\":\"x", "does not end"),
    ROW(HELD ",\"app\":\"x\\", "does not end"),
    ROW(HELD ",\"app\":\"\\u0041\"", "not escaped as weir does it"),
    ROW(HELD ",\"app\":\"\\/\"", "not escaped as weir does it"),
    ROW(HELD ",\"app\":\"\\u0000\"", "control characters"),
    ROW(HELD ",\"app\":\"\\n\"", "control characters"),
    ROW(HELD ",\"app\":\"\t\"", "not escaped"),
    ROW(HELD ",\"app\":\"\x7f\"", "control characters"),
    ROW(HELD ",\"app\":\"\xff\"", "no UTF-8"),
    ROW(HELD ",\"app\":\"\xc0\x80\"", "no UTF-8"),
    ROW(HELD ",\"app\":\"\xed\xa0\x80\"", "no UTF-8"),
    ROW(HELD ",\"value\":0", "'value' is empty"),
    ROW(HELD ",\"value\":-0", "no number"),
    ROW(HELD ",\"value\":01", "no number"),
    ROW(HELD ",\"value\":+1", "no number"),
    ROW(HELD ",\"value\":1.0", "from byte"),
    ROW(HELD ",\"value\":1e3", "from byte"),
    ROW(HELD ",\"value\":", "no number"),
    ROW(HELD ",\"value\":9007199254740992", "too large"),
    ROW(HELD ",\"value\":99999999999999999999999", "too large"),
    ROW(HELD ",\"epoch\":-1", "no number"),
    ROW(HELD ",\"plan\":\"abc\"", "no SHA-256"),
    ROW(HELD ",\"plan\":\"A000000000000000000000000000000000000000000000000000000000000000\"",
        "no SHA-256"),
    ROW(BEGIN "\"hold\"", "none that this version of weir knows"),
    ROW(BEGIN "\"HELD\"", "none that this version of weir knows"),
    ROW(BEGIN "3", "none that this version of weir knows"),
    ROW(HELD ",\"why\":\"because\"", "none that this version of weir knows"),
    ROW(HELD ",\"why\":\"\"", "'why' is empty"),
    ROW(AT("2026-10-01T00:00:00"), "no time"),
    ROW(AT("2026-10-01 00:00:00Z"), "no time"),
    ROW(AT("2026-10-01T00:00:00+00:00"), "no time"),
    ROW(AT("2026-10-01T00:00:00.5Z"), "no time"),
    ROW(AT("2026-10-01T00:00:00.000000Z"), "no time"),
    ROW(AT("2026-02-29T00:00:00Z"), "does not exist"),
    ROW(AT("2026-13-01T00:00:00Z"), "no time"),
    ROW(AT("2026-10-01T24:00:00Z"), "does not exist"),
    ROW(AT("2026-10-01T23:59:60Z"), "does not exist"),
    ROW(AT("1969-12-31T23:59:59Z"), "no time"),
    ROW(INTENT "[]", "no list of {app, from, to}"),
    ROW(INTENT "{}", "no list"),
    ROW(INTENT "[{\"app\":\"x\",\"from\":0,\"to\":10001}]", "no number from 0 to 10000"),
    ROW(INTENT "[{\"app\":\"x\",\"from\":-1,\"to\":1}]", "no number from 0 to 10000"),
    ROW(INTENT "[{\"app\":\"x\",\"to\":1,\"from\":0}]", "no list of {app, from, to}"),
    ROW(INTENT "[{\"app\":\"\",\"from\":0,\"to\":1}]", "no list of {app, from, to}"),
    ROW(INTENT "[{\"app\":\"x\",\"from\":0,\"to\":1},]", "no list of {app, from, to}"),
    ROW(INTENT "[{\"app\":\"x\",\"from\":0,\"to\":1}", "no list of {app, from, to}"),
    ROW(INTENT "[{\"app\":\"x\",\"from\":0,\"to\":1,\"by\":1}]", "no list of {app, from, to}"),
    ROW("{\"seq\":2,\"prev\":\"" ZEROS "\",\"at\":\"2026-10-01T00:00:00Z\",\"kind\":\"held\"",
        "entry 2 stands in its place"),
    ROW("{\"seq\":0,\"prev\":\"" ZEROS "\",\"at\":\"2026-10-01T00:00:00Z\",\"kind\":\"held\"",
        "entry 0 stands in its place"),
    ROW("{\"seq\":1,\"at\":\"2026-10-01T00:00:00Z\",\"kind\":\"held\"", "no 'prev'"),
};

static void write_with_hash(const char *body)
{
    CLEANUP(buf_release) struct buf file = { 0 };
    uint8_t hash[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];

    sha256_of(str_from(body), hash);
    buf_addf(&file, "%s,\"hash\":\"%s\"}\n", body, hex_encode(hash, sizeof(hash), hex));
    ck_ok(dir_make(temp_path("r"), &sample_err));
    sample_write(temp_path(SAMPLE_LEDGER), buf_str(&file));
}

START_TEST(a_line_that_weir_would_spell_otherwise_is_refused_with_why)
{
    CLEANUP(rollout_close) struct rollout *r = NULL;
    const char *says = spellings[_i].says;

    write_with_hash(spellings[_i].body);
    int result = rollout_open(temp_path("r"), ROLLOUT_READ, STR(""), 0, &r, &sample_err);
    if (!says) {
        ck_assert_msg(result == 0, "%s: %s", spellings[_i].body, sample_err.text);
        return;
    }
    ck_assert_msg(result == -1 && sample_err.code == ERR_CORRUPT, "%s", spellings[_i].body);
    ck_assert_msg(strstr(sample_err.text, says) && strstr(sample_err.text, "entry 1: "), "%s: %s",
                  spellings[_i].body, sample_err.text);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_loop_test(tc, a_line_that_weir_would_spell_otherwise_is_refused_with_why, 0,
                        ARRAY_LEN(spellings));
}

CHECK_MAIN("migrate/rollout_line", add_tests)
