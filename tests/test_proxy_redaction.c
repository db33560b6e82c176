/* Redaction and attribution by bodies, through the built weir: what was planted is in no file, no
 * log, no metric. */
#include "config.h"

#include <ftw.h>
#include <zlib.h>

#include "capture/key.h"
#include "tests/check_main.h"
#include "tests/proxy_run.h"

#define BASIC                                                                                      \
    "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 1}\n"                     \
    "apps: {bot: {}, shop: {team: retail}}\n"                                                      \
    "attribution:\n"                                                                               \
    "  - {body: {metadata.project: \"web*\"}, app: shop}\n"                                        \
    "  - {network: 127.0.0.0/8, environment: local}\n"
#define BATCH  "archive: {path: ./archive}\n"
#define STRICT "archive: {path: ./archive, durability: strict}\n"
#define RULES  "redaction: {rules: all, hold_bytes: 64KiB, hold_total: 128KiB}\n"

static struct proxy_run run;
static struct buf answer;

/* All that a test sends and that may stay nowhere. */
static const char *const planted[] = {
    "john.doe",  "example.com",  "4111111111111111", "4111 1111",
    "1111 1111", "DE8937040044", "901820",           "0123456789abcd",
};

static const char stream_body[] =
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"mail john.\"}}]}\n\n"
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"doe@example\"}}]}\n\n"
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\".com, card 4111 "
    "1111\"}}]}\n\n"
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" 1111 1111.\"}}]}\n\n"
    "data: [DONE]\n\n";
static const char stream_clean[] =
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"mail [email]\"}}]}\n\n"
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"}}]}\n\n"
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\", card [card]\"}}]}\n\n"
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\".\"}}]}\n\n"
    "data: [DONE]\n\n";
static const char json_body[] =
    "{\"model\":\"gpt-5\",\"user\":\"john.doe@example.com\",\"metadata\":{\"project\":\"web-1\","
    "\"contact\":\"john.doe@example.com\"},\"n\":4111111111111111,\"messages\":[{\"content\":"
    "\"IBAN "
    "DE89370400440532013000, call +49 30 901820, \\u006Aohn.doe\\u0040example.com, "
    "sk-abcdefghij0123456789abcd\"}]}";
static const char json_clean[] =
    "{\"model\":\"gpt-5\",\"user\":\"[email]\",\"metadata\":{\"project\":\"web-1\","
    "\"contact\":\"[email]\"},\"n\":\"[card]\",\"messages\":[{\"content\":\"IBAN [iban], call "
    "[phone], [email], [api_key]\"}]}";

static void stop(void)
{
    proxy_stop(&run);
    buf_release(&answer);
}

/* --- asking --- */

static void send_request(int fd, const char *path, const char *headers, struct str body)
{
    struct buf request = { 0 };

    buf_addf(&request,
             "POST %s HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n",
             path, headers, body.len);
    buf_add_str(&request, body);
    upstream_send(fd, request.ptr, request.len);
    buf_release(&request);
}

static void ask(const char *path, const char *headers, struct str body)
{
    int fd = proxy_connect(run.port);

    ck_assert_int_ge(fd, 0);
    buf_clear(&answer);
    send_request(fd, path, headers, body);
    ck_assert(proxy_read_all(fd, 10000, &answer));
    close(fd);
}

/* The same of /reciting/7: at most so many chunks, each 1 ms after the one before it has come. */
static int ask_in_steps(const char *path, const char *headers, struct str body, size_t most)
{
    size_t chunks = (body.len + 6) / 7;
    int fd = proxy_connect(run.port);

    ck_assert_int_ge(fd, 0);
    buf_clear(&answer);
    send_request(fd, path, headers, body);
    for (size_t i = 0; i < chunks && i < most; i++) {
        char want[20];
        struct str part = str_sub(body, i * 7, 7);
        if (i > 0)
            proxy_step(&run);
        snprintf(want, sizeof(want), "\r\n%zx\r\n%.*s\r\n", part.len, STR_ARG(part));
        proxy_read_until(fd, want, &answer);
        proxy_sleep_ms(1);
    }
    if (most >= chunks)
        ck_assert(proxy_read_all(fd, 10000, &answer));
    return fd;
}

static long metric(const char *name)
{
    struct proxy_run admin = run;
    struct buf text = { 0 };
    char want[100];

    admin.port = run.admin_port;
    proxy_ask(&admin, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", &text);
    for (size_t i = 0; i < ARRAY_LEN(planted); i++)
        ck_assert_ptr_null(strstr(buf_cstr(&text), planted[i]));
    snprintf(want, sizeof(want), "\n%s ", name);
    const char *at = strstr(buf_cstr(&text), want);
    ck_assert_msg(at != NULL, "no metric %s", name);
    long value = atol(at + strlen(want));
    buf_release(&text);
    return value;
}

/* A call is counted when it is over, which its client may see a moment earlier. */
static void wait_for(const char *name, long least)
{
    for (int i = 0; i < 3000 && metric(name) < least; i++)
        proxy_sleep_ms(10);
    ck_assert_int_ge(metric(name), least);
}

/* --- looking --- */

static size_t files_seen;

static int look_into(const char *path, const struct stat *st, int type, struct FTW *at)
{
    struct buf bytes = { 0 };
    struct err err;

    (void)st;
    (void)at;
    for (size_t i = 0; i < ARRAY_LEN(planted); i++)
        ck_assert_ptr_null(strstr(path, planted[i]));
    if (type != FTW_F || strcmp(path, run.conf_path) == 0)
        return 0;
    ck_assert_int_eq(file_read(path, 64u << 20, &bytes, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(planted); i++)
        ck_assert_msg(!memmem(bytes.ptr, bytes.len, planted[i], strlen(planted[i])),
                      "'%s' is in %s", planted[i], path);
    buf_release(&bytes);
    files_seen++;
    return 0;
}

static void check_files(void)
{
    files_seen = 0;
    ck_assert_int_eq(nftw(temp_folder, look_into, 16, FTW_PHYS), 0);
    ck_assert_uint_gt(files_seen, 1); /* the log and a journal */
}

/* The only exchange recorded, copied. */
static struct arena arena;
static struct exchange found;
static size_t found_count;

static void take_record(void *ctx, const struct exchange *x, bool ended)
{
    (void)ctx;
    found = *x;
    found_count++;
    found.request_body = arena_str(&arena, x->request_body);
    found.response_body = arena_str(&arena, x->response_body);
    found.path = arena_str(&arena, x->path);
    found.query = arena_str(&arena, x->query);
    found.labels = arena_str(&arena, x->labels);
    found.user_agent = arena_str(&arena, x->user_agent);
    found.who.app = arena_str(&arena, x->who.app);
    found.who.team = arena_str(&arena, x->who.team);
    found.who.environment = arena_str(&arena, x->who.environment);
    found.who.end_user = arena_str(&arena, x->who.end_user);
    found.body_note = x->body_note ? arena_str(&arena, str_from(x->body_note)).ptr : "";
    found.chunks = arena_alloc(&arena, (x->chunk_count + 1) * sizeof(*found.chunks));
    for (size_t i = 0; i < x->chunk_count; i++)
        found.chunks[i] = x->chunks[i];
    found.request_bytes = ended ? x->request_bytes : 0;
}

static void read_record(void)
{
    found_count = 0;
    proxy_each_record(&run, take_record, NULL);
    ck_assert_uint_eq(found_count, 1);
}

static void end_and_read(void)
{
    ck_assert_int_eq(proxy_end(&run, SIGTERM), 0);
    read_record();
    check_files();
}

static void finish(void)
{
    kill(run.upstream, SIGKILL);
    waitpid(run.upstream, NULL, 0);
    temp_folder_remove();
    buf_release(&answer);
    arena_release(&arena);
}

static void check_text(struct str got, const char *want)
{
    ck_assert_msg(str_eq(got, str_from(want)), "got  %.*s\nwant %s", STR_ARG(got), want);
}

static void check_user(const char *user)
{
    struct archive *a = NULL;
    struct key key;
    struct err err;
    char want[FINGERPRINT_TEXT_BYTES];

    ck_assert_int_eq(archive_open(run.archive_path, false, &a, &err), 0);
    ck_assert_int_eq(archive_key(a, &key, &err), 0);
    key_fingerprint(&key, "user", str_from(user), want);
    check_text(found.who.end_user, want);
    archive_close(a);
}

/* --- tests --- */

static const char *const archives[] = { BATCH, STRICT };

START_TEST(a_stream_goes_on_as_it_came_and_is_recorded_redacted)
{
    char settings[2000];
    uint64_t last = 0, bytes = 0;

    snprintf(settings, sizeof(settings), "%s%s%s", BASIC, archives[_i], RULES);
    proxy_start(&run, settings);
    close(ask_in_steps("/bot/up/reciting/7?mail=john.doe%40example.com&n=4111111111111111",
                       "User-Agent: me (john.doe@example.com)\r\n"
                       "X-Contact: john.doe@example.com\r\n",
                       STR(stream_body), SIZE_MAX));
    ck_assert_ptr_nonnull(memmem(answer.ptr, answer.len, "\r\ndoe@exa\r\n", 11));
    wait_for("weir_values_redacted_total", 8);
    ck_assert_int_eq(metric("weir_bodies_withheld_total"), 0);
    ck_assert_int_eq(metric("weir_bodies_held_bytes"), 0);
    end_and_read();

    check_text(found.response_body, stream_clean);
    check_text(found.path, "/bot/up/reciting/7");
    check_text(found.query, "mail=[email]&n=[card]");
    check_text(found.user_agent, "me ([email])");
    ck_assert_uint_eq(found.response_bytes, sizeof(stream_body) - 1);
    ck_assert_uint_gt(found.chunk_count, 10);
    for (size_t i = 0; i < found.chunk_count; i++) {
        ck_assert_uint_ge(found.chunks[i].offset_us, last);
        last = found.chunks[i].offset_us;
        bytes += found.chunks[i].bytes;
    }
    ck_assert_uint_eq(bytes, found.response_body.len);
    ck_assert_uint_gt(last, 10000); /* when they came, not when they were written */
    ck_assert_uint_lt(found.chunks[0].offset_us, last - 10000);
    ck_assert_ptr_nonnull(strstr(found.body_note, "answer body: 1 email, 1 card redacted"));
    finish();
}
END_TEST

START_TEST(a_request_says_who_it_is_of_before_it_is_redacted)
{
    char settings[2000];

    snprintf(settings, sizeof(settings), "%s%s%s", BASIC, archives[_i], RULES);
    proxy_start(&run, settings);
    ask("/up/v1/chat/completions", "Content-Type: application/json\r\n", STR(json_body));
    end_and_read();

    check_text(found.request_body, json_clean);
    check_text(found.who.app, "shop");
    check_text(found.who.team, "retail");
    check_text(found.who.environment, "local");
    check_text(found.labels, "{\"metadata.project\":\"web-1\",\"metadata.contact\":\"[email]\"}");
    check_user("john.doe@example.com");
    finish();
}
END_TEST

START_TEST(a_body_tells_who_without_any_redaction)
{
    proxy_start(&run, BASIC BATCH);
    ask("/up/v1/chat/completions", "Content-Type: application/json\r\n", STR(json_body));
    ck_assert_int_eq(proxy_end(&run, SIGTERM), 0);
    read_record();
    check_text(found.request_body, json_body);
    check_text(found.who.app, "shop");
    check_user("john.doe@example.com");
    ck_assert_str_eq(found.body_note, "");
    finish();
}
END_TEST

START_TEST(a_compressed_body_is_recorded_decompressed)
{
    char plain[sizeof(json_body)], packed[2000];
    void *from = plain, *to = packed;
    z_stream z = { .next_in = from,
                   .avail_in = sizeof(json_body) - 1,
                   .next_out = to,
                   .avail_out = sizeof(packed) };

    memcpy(plain, json_body, sizeof(plain));
    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    proxy_start(&run, BASIC BATCH RULES);
    ask("/up/recite/7/1", "Content-Encoding: gzip\r\nX-Kind: packed\r\n",
        (struct str){ packed, z.total_out });
    ck_assert_ptr_nonnull(memmem(answer.ptr, answer.len, packed, 7));
    end_and_read();

    check_text(found.request_body, json_clean);
    check_text(found.response_body, json_clean);
    ck_assert(!found.request_body_encoded && !found.response_body_encoded);
    ck_assert_uint_eq(found.request_bytes, z.total_out);
    check_user("john.doe@example.com");
    finish();
}
END_TEST

START_TEST(what_cannot_be_looked_into_is_left_out_and_counted)
{
    struct buf big = { 0 };

    proxy_start(&run, BASIC BATCH RULES);
    if (_i == 0) { /* too long */
        buf_add_text(&big, "{\"x\":\"john.doe@example.com");
        while (big.len < 100000)
            buf_add_text(&big, " and so on");
        buf_add_text(&big, "\"}");
        ask("/up/recite/5000/0", "", buf_str(&big));
    } else { /* said to be packed */
        buf_add_text(&big, "\x01\x02 john.doe@example.com \xff\xfe");
        ask("/up/recite/5000/0", "Content-Encoding: gzip\r\nX-Kind: packed\r\n", buf_str(&big));
    }
    ck_assert_ptr_nonnull(memmem(answer.ptr, answer.len, "john.doe@example.com", 20));
    wait_for("weir_bodies_withheld_total", 2);
    ck_assert_int_eq(metric("weir_bodies_withheld_total"), 2);
    ck_assert_int_eq(metric("weir_bodies_held_bytes"), 0);
    end_and_read();
    ck_assert_uint_eq(found.request_body.len + found.response_body.len, 0);
    ck_assert(found.request_body_missing && found.response_body_missing);
    ck_assert_ptr_nonnull(strstr(found.body_note, "request body: "));
    ck_assert_ptr_nonnull(strstr(found.body_note, "answer body: "));
    ck_assert_uint_eq(found.request_bytes, big.len);
    buf_release(&big);
    finish();
}
END_TEST

START_TEST(a_pattern_that_runs_away_leaves_the_body_out)
{
    struct buf body = { 0 };

    proxy_start(&run, BASIC BATCH "redaction: {rules: none, patterns: [{name: bomb, pattern: "
                                  "\"(?:a+)+[bc]\", apply_to: requests}]}\n");
    buf_add_text(&body, "{\"x\":\"");
    for (int i = 0; i < 3000; i++)
        buf_add_byte(&body, 'a');
    buf_add_text(&body, "\"}");
    ask("/up/recite/5000/0", "", buf_str(&body));
    wait_for("weir_bodies_withheld_total", 1);
    ck_assert_int_eq(metric("weir_bodies_withheld_total"), 1);
    end_and_read();
    ck_assert(found.request_body_missing && !found.response_body_missing);
    ck_assert_uint_eq(found.response_body.len, body.len);
    ck_assert_ptr_nonnull(strstr(found.body_note, "'bomb' hit its match limit"));
    buf_release(&body);
    finish();
}
END_TEST

START_TEST(killed_in_the_middle_it_leaves_nothing_behind)
{
    char settings[2000];

    snprintf(settings, sizeof(settings), "%s%s%s", BASIC, archives[_i], RULES);
    proxy_start(&run, settings);
    int fd = ask_in_steps("/bot/up/reciting/7?m=john.doe@example.com", "", STR(stream_body),
                          sizeof(stream_body) / 14); /* halfway */
    do                                               /* until the journal has that it began */
        proxy_sleep_ms(10);
    while (proxy_count_records(&run) == 0);
    proxy_end(&run, SIGKILL);
    close(fd);
    read_record();
    check_files();
    ck_assert_uint_eq(found.response_body.len, 0);
    ck_assert(found.truncated);
    check_text(found.query, "m=[email]");
    finish();
}
END_TEST

START_TEST(killed_after_a_whole_answer_strict_has_it_redacted)
{
    proxy_start(&run, BASIC STRICT RULES);
    ask("/up/recite/7/1", "x-weir-app: 4111111111111111\r\n", STR(stream_body));
    proxy_end(&run, SIGKILL);
    read_record();
    check_files();
    check_text(found.response_body, stream_clean);
    check_text(found.who.app, "[card]");
    ck_assert(!found.truncated);
    finish();
}
END_TEST

START_TEST(sealed_and_exported_it_is_still_redacted)
{
    char command[4096];
    struct buf out = { 0 };
    size_t n;

    proxy_start(&run, BASIC BATCH RULES);
    ask("/bot/up/v1/chat/completions?m=john.doe@example.com", "Content-Type: application/json\r\n",
        STR(json_body));
    ck_assert_int_eq(proxy_end(&run, SIGTERM), 0);
    snprintf(command, sizeof(command), "%s capture seal -a %s 2>&1 && %s capture export -a %s 2>&1",
             proxy_weir(), run.archive_path, proxy_weir(), run.archive_path);
    FILE *f = popen(command, "r");
    while ((n = fread(buf_reserve(&out, 65536), 1, 65536, f)) > 0)
        out.len += n;
    ck_assert_int_eq(pclose(f), 0);
    ck_assert_msg(strstr(buf_cstr(&out), "[email]") != NULL, "%s", buf_cstr(&out));
    for (size_t i = 0; i < ARRAY_LEN(planted); i++)
        ck_assert_msg(!strstr(buf_cstr(&out), planted[i]), "%s: %s", planted[i], buf_cstr(&out));
    check_files();
    buf_release(&out);
    finish();
}
END_TEST

START_TEST(rules_are_only_for_the_apps_that_are_named)
{
    proxy_start(&run, BASIC BATCH "redaction: {rules: email, apps: bot}\n");
    ask("/shop/up/recite/100/0", "", STR(stream_body));
    wait_for("weir_exchanges_recorded_total", 1);
    ck_assert_int_eq(metric("weir_values_redacted_total"), 0);
    ask("/bot/up/recite/100/0", "", STR(stream_body));
    wait_for("weir_exchanges_recorded_total", 2);
    ck_assert_int_eq(metric("weir_values_redacted_total"), 2); /* request and answer */
    stop();
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_stream_goes_on_as_it_came_and_is_recorded_redacted, 0,
                        ARRAY_LEN(archives));
    tcase_add_loop_test(tc, a_request_says_who_it_is_of_before_it_is_redacted, 0,
                        ARRAY_LEN(archives));
    tcase_add_test(tc, a_body_tells_who_without_any_redaction);
    tcase_add_test(tc, a_compressed_body_is_recorded_decompressed);
    tcase_add_loop_test(tc, what_cannot_be_looked_into_is_left_out_and_counted, 0, 2);
    tcase_add_test(tc, a_pattern_that_runs_away_leaves_the_body_out);
    tcase_add_loop_test(tc, killed_in_the_middle_it_leaves_nothing_behind, 0, ARRAY_LEN(archives));
    tcase_add_test(tc, killed_after_a_whole_answer_strict_has_it_redacted);
    tcase_add_test(tc, sealed_and_exported_it_is_still_redacted);
    tcase_add_test(tc, rules_are_only_for_the_apps_that_are_named);
}

CHECK_MAIN("proxy/redaction", add_tests)
