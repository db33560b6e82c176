/* Every credential that passes through a proxy, or that it is given, in every place where one can
 * be and at every stage where a call can end: none of them in any file, log, metric, answer to a
 * question, command line or core. */
#include "config.h"

#include <ctype.h>
#include <sys/random.h>

#include "base/base64.h"
#include "base/codec.h"
#include "proxy/client_key.h"
#include "tests/h2_client.h"
#include "tests/tap.h"
#include "tests/tls_files.h"

#define SETTINGS                                                                                   \
    "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 1, status: ./status}\n"   \
    "archive: {path: ./archive}\n"                                                                 \
    "limits: {head_time: 700ms, body_time: 700ms, body: 1KiB, headers: 60}\n"

#define SECRET_CHARS      32
#define SECRETS_MAX       1024
#define SECRET_TEXT_BYTES 80

struct secret {
    char text[SECRET_TEXT_BYTES];
    const char *place, *stage;
};
static struct secret secrets[SECRETS_MAX];
static size_t secret_count;
static struct proxy_run run;

static const char *new_secret(const char *place, const char *stage)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789ab";
    struct secret *s = &secrets[secret_count++];
    uint8_t random[SECRET_CHARS];

    ck_assert_uint_le(secret_count, SECRETS_MAX);
    ck_assert_int_eq(getrandom(random, sizeof(random), 0), sizeof(random));
    for (size_t i = 0; i < SECRET_CHARS; i++)
        s->text[i] = letters[random[i] % 64];
    s->place = place;
    s->stage = stage;
    return s->text;
}

/* --- looking for them --- */

/* A piece of one is too much already: its first, middle and last letters. */
static void look(struct str bytes, const char *where)
{
    for (size_t i = 0; i < secret_count; i++)
        for (size_t from = 0; from + 12 <= strlen(secrets[i].text); from += 10) {
            struct str piece = { secrets[i].text + from, 12 };
            ck_assert_msg(str_find(bytes, piece, 0) < 0, "%s holds the secret of '%s' at '%s'",
                          where, secrets[i].place, secrets[i].stage);
        }
}

static size_t files_seen, sealed_seen;

static int look_into_file(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    CLEANUP(buf_release) struct buf bytes = { 0 }, plain = { 0 };
    CLEANUP(codec_close) struct codec *codec = NULL;
    const char *name = path + where->base;
    struct err err;

    look(str_from(path), "a path");
    /* The files that the test gave secrets to itself. */
    if (kind != FTW_F || !S_ISREG(st->st_mode) || strcmp(name, "weir.yaml") == 0 ||
        strcmp(name, "given-key") == 0 || strcmp(name, "key.pem") == 0)
        return 0;
    ck_assert_msg(file_read(path, 64u << 20, &bytes, &err) == 0, "%s", err.text);
    look(buf_str(&bytes), path);
    files_seen++;
    if (str_ends_with(str_from(path), STR(".zst"))) {
        ck_assert_int_eq(codec_open(STR("zstd"), &codec, &err), 0);
        ck_assert_int_eq(codec_decode(codec, buf_str(&bytes), 64u << 20, &plain, &err), 0);
        look(buf_str(&plain), path);
        sealed_seen++;
    }
    return 0;
}

/* What "weir BEFORE ARGUMENT AFTER" prints, which must have part in it; its status. */
static int look_into_output(const char *before, const char *argument, const char *after,
                            const char *part)
{
    CLEANUP(buf_release) struct buf out = { 0 }, line = { 0 };

    buf_addf(&line, "%s %s '%s' %s 2>&1", proxy_weir(), before, argument, after);
    FILE *f = popen(buf_cstr(&line), "r");
    ck_assert_ptr_nonnull(f);
    for (size_t n; (n = fread(buf_reserve(&out, 65536), 1, 65536, f)) > 0;)
        out.len += n;
    int status = pclose(f);
    look(buf_str(&out), line.ptr);
    ck_assert_msg(strstr(buf_cstr(&out), part) != NULL, "no '%s' in what '%s' prints: %.500s", part,
                  line.ptr, out.ptr);
    return status;
}

static void look_into_admin(const char *path)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    struct proxy_run admin = run;
    char request[100];

    admin.port = run.admin_port;
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    proxy_ask(&admin, request, &out);
    ck_assert_ptr_nonnull(strstr(out.ptr, "200 OK"));
    look(buf_str(&out), path);
}

static bool read_proc(pid_t pid, const char *name, struct buf *ret)
{
    char path[64];
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    FILE *f = fopen(path, "r");
    buf_clear(ret);
    if (!f)
        return false;
    while ((n = (ssize_t)fread(buf_reserve(ret, 65536), 1, 65536, f)) > 0)
        ret->len += (size_t)n;
    fclose(f);
    buf_cstr(ret);
    return true;
}

/* What ps shows, and what a core would hold, of pid and its children. */
static void look_into_process(pid_t pid)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    char children[64];

    ck_assert(read_proc(pid, "cmdline", &text));
    look(buf_str(&text), "a command line");
    ck_assert(read_proc(pid, "coredump_filter", &text));
    ck_assert_msg(strtoul(text.ptr, NULL, 16) == 0, "a core would have memory: %s", text.ptr);
    ck_assert(read_proc(pid, "limits", &text));
    const char *limit = strstr(text.ptr, "Max core file size");
    ck_assert_ptr_nonnull(limit);
    ck_assert_int_eq(strtol(limit + 18, NULL, 10), 0);
    snprintf(children, sizeof(children), "task/%d/children", (int)pid);
    if (!read_proc(pid, children, &text))
        return;
    for (char *at = text.ptr, *end; *at; at = end) {
        pid_t child = (pid_t)strtol(at, &end, 10);
        if (end == at)
            break;
        look_into_process(child);
    }
}

static void look_everywhere_while_it_runs(void)
{
    look_into_admin("/metrics");
    look_into_admin("/readyz");
    look_into_output("proxy status --format json", run.conf_path, "", "\"requests\":");
    look_into_output("proxy check", run.conf_path, "", "up");
    look_into_process(run.pid);
}

static void look_everywhere_on_disk(void)
{
    files_seen = sealed_seen = 0;
    nftw(temp_folder, look_into_file, 16, FTW_PHYS);
    ck_assert_uint_ge(files_seen, 3); /* journal, key, log */
}

static void seal_and_look(void)
{
    char id[64] = "";
    CLEANUP(buf_release) struct buf line = { 0 };

    look_into_output("capture seal --archive", run.archive_path, "", "");
    look_everywhere_on_disk();
    ck_assert_uint_gt(sealed_seen, 0);
    look_into_output("capture ls --archive", run.archive_path, "--format csv", "started_at");
    look_into_output("capture export --archive", run.archive_path, "", "weir:");
    look_into_output("capture export --archive", run.archive_path, "--format har", "weir:");
    look_into_output("capture export --archive", run.archive_path, "--format csv", "");
    look_into_output("capture verify --archive", run.archive_path, "", "");
    buf_addf(&line, "%s capture ls --archive %s --limit 1 --format csv", proxy_weir(),
             run.archive_path);
    FILE *f = popen(buf_cstr(&line), "r");
    ck_assert(f && fscanf(f, "%*[^\n] %63[^,]", id) == 1);
    pclose(f);
    look_into_output("capture show --archive", run.archive_path, id, id);
}

/* --- sending them --- */

/* $ is the secret. */
static const struct place {
    const char *name, *query, *headers;
} places[] = {
    {"Authorization: Bearer",               "",                                          "Authorization: Bearer $\r\n"                                    },
    { "Authorization: bearer",              "",                                          "authorization: bearer $\r\n"                                    },
    { "Authorization without a scheme",     "",                                          "Authorization: $\r\n"                                           },
    { "Authorization of an unknown scheme", "",                                          "Authorization: $ x=y\r\n"                                       },
    { "Authorization: Digest",              "",                                          "Authorization: Digest username=\"u\", response=\"$\"\r\n"       },
    { "Authorization twice",                "",                                          "Authorization: Bearer x\r\nAuthorization: Bearer $\r\n"         },
    { "the id of SigV4",                    "",
     "Authorization: AWS4-HMAC-SHA256 Credential=$/20261122/us-east-1/bedrock/aws4_request, "
      "SignedHeaders=host, Signature=0\r\n"                                                                                                               },
    { "the signature of SigV4",             "",
     "Authorization: AWS4-HMAC-SHA256 Credential=AKIA/20261122/us-east-1/bedrock/aws4_request, "
      "SignedHeaders=host, Signature=$\r\n"                                                                                                               },
    { "x-amz-security-token",               "",                                          "X-Amz-Security-Token: $\r\n"                                    },
    { "x-api-key",                          "",                                          "x-api-key: $\r\n"                                               },
    { "api-key",                            "",                                          "Api-Key: $\r\n"                                                 },
    { "x-goog-api-key",                     "",                                          "x-goog-api-key: $\r\n"                                          },
    { "x-weir-key",                         "",                                          "x-weir-key: $\r\n"                                              },
    { "Proxy-Authorization",                "",                                          "Proxy-Authorization: Basic $\r\n"                               },
    { "Cookie",                             "",                                          "Cookie: a=b; session=$\r\n"                                     },
    { "Referer",                            "",                                          "Referer: https://u:$@x/y?api_key=$\r\n"                         },
    { "a header of another vendor",         "",                                          "X-Vendor-Secret: $\r\n"                                         },
    { "a subprotocol",                      "",                                          "Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.$\r\n"},
    { "?key=",                              "?key=$",                                    ""                                                               },
    { "?api_key=",                          "?a=b&api_key=$&c",                          ""                                                               },
    { "?KEY=, escaped",                     "?a&%4bEY=$",                                ""                                                               },
    { "?access_token=",                     "?access_token=$#",                          ""                                                               },
    { "a presigned URL: credential",
     "?X-Amz-Credential=$%2F20261122%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature=0", ""                                                               },
    { "a presigned URL: signature",         "?X-Amz-Credential=AKIA&X-Amz-Signature=$",  ""                                                               },
    { "a presigned URL: token",             "?X-Amz-Security-Token=$",                   ""                                                               },
    { "a shared access signature",          "?sv=1&sig=$",                               ""                                                               },
};

enum sending { WHOLE, HALF_A_HEAD, HALF_A_BODY };

/* How a call can end. */
static const struct stage {
    const char *name, *target, *more;
    enum sending sending;
    const char *expected; /* in the answer */
} stages[] = {
    {"answered",                      "/tap/x",         "",                                     WHOLE,       "200 OK" },
    { "answered with an error",       "/up/status/401", "",                                     WHOLE,       "401"    },
    { "an app in the path",           "/bot/tap/x",     "",                                     WHOLE,       "200 OK" },
    { "400",                          "/tap/x",         "Bad : x\r\n",                          WHOLE,       "400 Bad"},
    { "400 of the path",              "/tap/../x",      "",                                     WHOLE,       "400 Bad"},
    { "404",                          "/nowhere/x",     "",                                     WHOLE,       "404 Not"},
    { "413",                          "/tap/x",         "Content-Length: 99999\r\n",            WHOLE,       "413 "   },
    { "417",                          "/tap/x",         "Expect: x\r\n",                        WHOLE,       "417 "   },
    { "501",                          "/tap/x",         "Transfer-Encoding: gzip, chunked\r\n", WHOLE,       "501 "   },
    { "502, unreachable",             "/dead/x",        "",                                     WHOLE,       "502 Bad"},
    { "502, closed",                  "/up/close",      "",                                     WHOLE,       "502 Bad"},
    { "502, no HTTP",                 "/up/garbage",    "",                                     WHOLE,       "502 Bad"},
    { "502, a proxy with a password", "/far/x",         "",                                     WHOLE,       "502 Bad"},
    { "504",                          "/slow/never",    "",                                     WHOLE,       "504 "   },
    { "a cut answer",                 "/up/cut",        "",                                     WHOLE,       "200 OK" },
    { "weir's own key instead",       "/own/x",         "",                                     WHOLE,       "200 OK" },
    { "weir's own key from a file",   "/filed/x",       "",                                     WHOLE,       "200 OK" },
    { "signed for AWS",               "/signed/x",      "Content-Length: 0\r\n",                WHOLE,       "200 OK" },
    { "408, in the head",             "/tap/x",         "",                                     HALF_A_HEAD, "408 "   },
    { "408, in the body",             "/tap/x",         "Content-Length: 9\r\n",                HALF_A_BODY, "408 "   },
    { "431",                          "/tap/x",         "431",                                  WHOLE,       "431 "   },
};

static void add_with_secret(struct buf *out, const char *text, const char *secret)
{
    for (; *text; text++)
        if (*text == '$')
            buf_add_text(out, secret);
        else if (*text != '#' || text[1])
            buf_add_byte(out, *text);
}

static int send_one(const struct place *place, const struct stage *stage)
{
    CLEANUP(buf_release) struct buf request = { 0 };
    const char *secret = new_secret(place->name, stage->name);
    int fd = proxy_connect(run.port);

    ck_assert_int_ge(fd, 0);
    buf_addf(&request, "POST %s", stage->target);
    add_with_secret(&request, place->query, secret);
    buf_add_text(&request, " HTTP/1.1\r\nHost: w\r\nConnection: close\r\n");
    add_with_secret(&request, place->headers, secret);
    for (int i = 0; strcmp(stage->more, "431") == 0 && i < 80; i++)
        buf_addf(&request, "h%d: x\r\n", i);
    if (strcmp(stage->more, "431") != 0)
        buf_add_text(&request, stage->more);
    buf_add_text(&request, stage->sending == HALF_A_HEAD   ? "Half"
                           : stage->sending == HALF_A_BODY ? "\r\nhalf"
                                                           : "\r\n");
    upstream_send(fd, request.ptr, request.len);
    return fd;
}

static void send_places(const struct stage *stage)
{
    CLEANUP(buf_release) struct buf answer = { 0 };
    int fds[ARRAY_LEN(places)];

    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        fds[i] = send_one(&places[i], stage);
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        buf_clear(&answer);
        ck_assert_msg(proxy_read_all(fds[i], 10000, &answer), "%s, %s: no end", stage->name,
                      places[i].name);
        /* A key of weir's own that it does not know ends the call early. */
        bool is_unknown = strstr(buf_cstr(&answer), "x-weir-error: key_unknown") != NULL;
        ck_assert_msg(is_unknown || strstr(answer.ptr, stage->expected) != NULL, "%s, %s: %s",
                      stage->name, places[i].name, answer.ptr);
        close(fds[i]);
    }
}

/* Clients that are gone, in the middle of their request and of the answer. */
static void send_and_leave(void)
{
    static const struct stage left[] = {
        {"gone in the head",        "/tap/x",         "",                      HALF_A_HEAD, ""},
        { "gone in the body",       "/tap/x",         "Content-Length: 9\r\n", HALF_A_BODY, ""},
        { "gone in the answer",     "/up/sse/100/20", "",                      WHOLE,       ""},
        { "gone before the answer", "/slow/never",    "",                      WHOLE,       ""},
    };

    for (size_t s = 0; s < ARRAY_LEN(left); s++)
        for (size_t i = 0; i < ARRAY_LEN(places); i++) {
            int fd = send_one(&places[i], &left[s]);
            if (i % 2)
                proxy_sleep_ms(10);
            close(fd);
        }
}

/* --- those of answers --- */

/* The path, and the answer's headers and body. */
static const struct {
    const char *path, *headers, *body;
} answers[] = {
    {"/tap/evil",                             "Set-Cookie: session=$; Secure",         ""                                         },
    { "/tap/evil",                            "Location: https://u:$@h/x?sig=$",       ""                                         },
    { "/tap/evil",                            "Operation-Location: https://h/x?key=$", ""                                         },
    { "/tap/evil",                            "X-Session-Token: $",                    ""                                         },
    { "/tap/evil",                            "Authentication-Info: nextnonce=\"$\"",  ""                                         },
    { "/tap/evil/oauth/token",                "X: y",                                  "{\"access_token\":\"$\",\"expires_in\":1}"},
    { "/tap/evil/oauth/token",                "X: y",                                  "access_token=$"                           },
    { "/tap/evil/v1/realtime/client_secrets", "X: y",                                  "{\"value\":\"ek_$\"}"                     },
};

static void receive_answers(void)
{
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        CLEANUP(buf_release) struct buf request = { 0 }, bytes = { 0 }, body = { 0 }, got = { 0 };
        struct tap_answer evil = { .name = "secret" };
        const char *secret = new_secret(answers[i].path, answers[i].headers);
        add_with_secret(&body, answers[i].body, secret);
        buf_add_text(&bytes, "HTTP/1.1 200 OK\r\n");
        add_with_secret(&bytes, answers[i].headers, secret);
        buf_addf(&bytes, "\r\nContent-Length: %zu\r\n\r\n", body.len);
        buf_add_str(&bytes, buf_str(&body));
        evil.bytes = buf_str(&bytes);
        tap.evil = &evil;
        buf_addf(&request,
                 "POST %s HTTP/1.1\r\nHost: w\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                 "grant_type=client_credentials&client_secret=%s",
                 answers[i].path, 44 + SECRET_CHARS,
                 strstr(answers[i].path, "token") ? new_secret("the form", "of a token") : secret);
        if (!strstr(answers[i].path, "token")) { /* other bodies are kept as they are */
            buf_clear(&request);
            buf_addf(&request, "GET %s HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n",
                     answers[i].path);
        }
        proxy_ask(&run, buf_cstr(&request), &got);
        ck_assert_msg(strstr(got.ptr, secret) != NULL, "the client got %s", got.ptr);
    }
}

/* --- what rules take out of bodies --- */

static void random_letters(char *to, size_t count)
{
    uint8_t random[64];

    ck_assert_uint_le(count, sizeof(random));
    ck_assert_int_eq(getrandom(random, count, 0), (ssize_t)count);
    for (size_t i = 0; i < count; i++)
        to[i] = (char)('a' + random[i] % 26);
}

static void random_digits(char *to, size_t count)
{
    random_letters(to, count);
    for (size_t i = 0; i < count; i++)
        to[i] = (char)('1' + to[i] % 9);
}

/* ISO 7064: what makes "DE00" and 18 digits an IBAN. */
static void make_iban(char *text)
{
    unsigned rest = 0;

    memcpy(text, "DE00", 4);
    random_digits(text + 4, 18);
    for (size_t i = 4; i < 22; i++)
        rest = (rest * 10 + (unsigned)(text[i] - '0')) % 97;
    for (const char *at = "131400"; *at; at++)
        rest = (rest * 10 + (unsigned)(*at - '0')) % 97;
    text[2] = (char)('0' + (98 - rest) / 10);
    text[3] = (char)('0' + (98 - rest) % 10);
}

/* 16 digits whose last one is Luhn's. */
static void make_card(char *text)
{
    unsigned sum = 0;

    random_digits(text, 15);
    text[0] = '4';
    for (size_t i = 0; i < 15; i++) {
        unsigned digit = (unsigned)(text[i] - '0') * (i % 2 ? 1 : 2);
        sum += digit > 9 ? digit - 9 : digit;
    }
    text[15] = (char)('0' + (10 - sum % 10) % 10);
}

static void make_email(char *text)
{
    random_letters(text, 33);
    text[16] = '@';
    memcpy(text + 33, ".org", 4);
}

static void make_phone(char *text)
{
    memcpy(text, "+4930", 5);
    random_digits(text + 5, 8);
}

static void make_api_key(char *text)
{
    memcpy(text, "sk-proj-1", 9);
    random_letters(text + 9, 40);
}

static void make_own(char *text)
{
    memcpy(text, "EMP-", 4);
    random_digits(text + 4, 12);
}

/* One for each rule; more rules, more rows. */
static const struct {
    const char *rule;
    void (*make)(char *text);
} redacted[] = {
    {"iban",      make_iban   },
    { "card",     make_card   },
    { "email",    make_email  },
    { "phone",    make_phone  },
    { "api_key",  make_api_key},
    { "employee", make_own    },
};

/* $ is the value. */
static const struct {
    const char *name, *request, *answer;
} bodies[] = {
    {"a request",                  "{\"messages\":[{\"role\":\"user\",\"content\":\"it is $, as I said\"}]}",
     "{}"                                                                                                                                                                           },
    { "a request that is no JSON", "it is $ as I said",                                                       "{}"                                                                  },
    { "an answer",                 "",                                                                        "{\"choices\":[{\"message\":{\"content\":\"it is $, as you said\"}}]}"},
    { "an answer that is no JSON", "",                                                                        "it is $ as you said"                                                 },
    { "an error that repeats it",  "",
     "{\"error\":{\"message\":\"Incorrect API key provided: $. You can\"}}"                                                                                                         },
    { "both",                      "{\"input\":\"$\"}",                                                       "{\"output\":\"$\"}"                                                  },
};

static void pass_body(size_t rule, size_t body, bool leave)
{
    CLEANUP(buf_release) struct buf bytes = { 0 }, sent = { 0 }, text = { 0 }, got = { 0 };
    struct secret *s = &secrets[secret_count++];
    struct tap_answer evil = { .name = "redacted" };

    memset(s->text, 0, sizeof(s->text));
    redacted[rule].make(s->text);
    s->place = redacted[rule].rule;
    s->stage = bodies[body].name;
    add_with_secret(&sent, bodies[body].request, s->text);
    add_with_secret(&text, bodies[body].answer, s->text);
    buf_addf(&bytes,
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             text.len, buf_cstr(&text));
    size_t half = bytes.len - text.len / 2; /* it comes in two pieces, mostly cut within */
    evil.bytes = str_sub(buf_str(&bytes), 0, half);
    evil.later = str_sub(buf_str(&bytes), half, bytes.len);
    tap.evil = &evil;
    buf_clear(&got);
    buf_addf(&got,
             "POST /tap/evil HTTP/1.1\r\nHost: w\r\nConnection: close\r\n"
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             sent.len + (leave ? 1 : 0), buf_cstr(&sent));
    if (leave) {
        int fd = proxy_connect(run.port);
        upstream_send(fd, got.ptr, got.len);
        proxy_sleep_ms(30);
        close(fd);
        return;
    }
    buf_clear(&sent);
    buf_add_str(&sent, buf_str(&got));
    proxy_ask(&run, buf_cstr(&sent), &got);
    ck_assert_msg(strstr(got.ptr, buf_cstr(&text)) != NULL, "the client got %s", got.ptr);
}

/* --- keys of weir's own --- */

static char good_key[CLIENT_KEY_TEXT_BYTES], others_key[CLIENT_KEY_TEXT_BYTES],
    bad_key[CLIENT_KEY_TEXT_BYTES];

static void make_client_key(char *key, const char *what)
{
    struct secret *s = &secrets[secret_count++];

    client_key_make(key);
    ck_assert_uint_lt(strlen(key), sizeof(s->text));
    /* The first letters are the same of all. */
    snprintf(s->text, sizeof(s->text), "%s", key + 8);
    s->place = what;
    s->stage = "a key of weir's own";
}

static void add_client_keys(struct buf *text)
{
    make_client_key(good_key, "one that is known");
    make_client_key(others_key, "one of another app");
    make_client_key(bad_key, "one that nobody knows");
    buf_add_text(text, "clients:\n  required: false\n  keys:\n    one: {hash: \"");
    client_key_hash(str_from(good_key), text);
    buf_add_text(text, "\"}\n    two: {app: by-header, hash: \"");
    client_key_hash(str_from(others_key), text);
    buf_add_text(text, "\"}\n");
}

static const struct {
    const char *key, *path, *status;
} uses[] = {
    {good_key,    "/held/x",        "200 OK"},
    { good_key,   "/own/x",         "200 OK"},
    { good_key,   "/signed/x",      "200 OK"},
    { good_key,   "/up/status/401", "401"   },
    { good_key,   "/dead/x",        "502 "  },
    { good_key,   "/nowhere/x",     "404 "  },
    { others_key, "/bot/held/x",    "403 "  },
    { bad_key,    "/held/x",        "401 "  },
    { bad_key,    "/tap/x",         "401 "  },
};

static const struct {
    const char *query, *header;
} ways[] = {
    {"",        "Authorization: Bearer $"            },
    { "",       "x-api-key: $"                       },
    { "",       "x-weir-key: $"                      },
    { "?key=$", "X-A: b"                             },
    { "",       "Authorization: AWS4-HMAC-SHA256 Credential=$/20260101/us-east-1/bedrock/aws4_request, "
          "SignedHeaders=host, Signature=00"},
};

static void use_client_keys(void)
{
    for (size_t i = 0; i < ARRAY_LEN(uses) * ARRAY_LEN(ways); i++) {
        CLEANUP(buf_release) struct buf request = { 0 }, got = { 0 };
        size_t use = i / ARRAY_LEN(ways);
        buf_addf(&request, "POST %s", uses[use].path);
        add_with_secret(&request, ways[i % ARRAY_LEN(ways)].query, uses[use].key);
        buf_add_text(&request, " HTTP/1.1\r\n");
        add_with_secret(&request, ways[i % ARRAY_LEN(ways)].header, uses[use].key);
        buf_add_text(&request, "\r\nHost: w\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}");
        proxy_ask(&run, buf_cstr(&request), &got);
        ck_assert_msg(strstr(got.ptr, uses[use].status) != NULL, "%s: %s", request.ptr, got.ptr);
        look(buf_str(&got), "an answer");
    }
}

/* --- HTTP/2 --- */

/* Each place, as its headers in HTTP/2: names in small letters. */
static int32_t send_one_h2(struct h2_client *c, const struct place *place, const char *target)
{
    CLEANUP(buf_release) struct buf path = { 0 }, headers = { 0 };
    const char *secret = new_secret(place->name, "HTTP/2"), *extra[9] = { NULL };
    size_t count = 0;

    buf_add_text(&path, target);
    add_with_secret(&path, place->query, secret);
    add_with_secret(&headers, place->headers, secret);
    buf_cstr(&headers);
    for (char *at = headers.ptr; *at && count < 8;) {
        char *colon = strstr(at, ": "), *end = strstr(at, "\r\n");
        *colon = *end = '\0';
        for (char *name = at; *name; name++)
            *name = (char)tolower((unsigned char)*name);
        extra[count++] = at;
        extra[count++] = colon + 2;
        at = end + 2;
    }
    return h2_ask(c, "POST", buf_cstr(&path), extra, "{}", 2);
}

static void send_over_http2(void)
{
    static const char *const targets[] = { "/tap/x", "/own/x", "/signed/x", "/nowhere/x",
                                           "/dead/x" };
    static struct h2_client c;

    for (size_t t = 0; t < ARRAY_LEN(targets); t++) {
        h2_connect(&c, proxy_connect(run.port));
        for (size_t i = 0; i < ARRAY_LEN(places); i++) {
            int32_t id = send_one_h2(&c, &places[i], targets[t]);
            h2_wait(&c, id);
            ck_assert_msg(c.answers[id].status != 0, "%s, %s: reset", targets[t], places[i].name);
        }
        h2_close(&c);
    }
    h2_connect(&c, proxy_connect(run.port)); /* and gone in the middle */
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        send_one_h2(&c, &places[i], "/slow/never");
    h2_run(&c, 30);
    h2_close(&c);
}

/* --- the whole --- */

static void configure(void)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err err;

    setenv("WEIR_TEST_AWS_ID", new_secret("the id of AWS", "from the environment"), 1);
    setenv("WEIR_TEST_AWS_SECRET", new_secret("the secret of AWS", "from the environment"), 1);
    setenv("WEIR_TEST_AWS_TOKEN", new_secret("the token of AWS", "from the environment"), 1);
    setenv("WEIR_TEST_KEY", new_secret("weir's own key", "from the environment"), 1);
    ck_assert_int_eq(file_replace(temp_path("given-key"),
                                  str_from(new_secret("weir's own key", "from a file")), 0600,
                                  &err),
                     0);
    buf_addf(&text,
             "upstreams:\n  up: {url: \"http://127.0.0.1:%d\", proxy: none}\n"
             "  dead: {url: \"http://127.0.0.1:1\", proxy: none}\n"
             "  slow: {url: \"http://127.0.0.1:%d\", proxy: none, timeouts: {head: 300ms}}\n"
             "  tap: {url: \"http://127.0.0.1:%d\", proxy: none}\n"
             "  own: {url: \"http://127.0.0.1:%d\", proxy: none, key: {env: WEIR_TEST_KEY}}\n"
             "  filed: {url: \"http://127.0.0.1:%d\", proxy: none, key: {file: ./given-key}}\n"
             "  signed: {url: \"http://127.0.0.1:%d\", proxy: none, api: bedrock, key: {aws: "
             "{access_key: {env: WEIR_TEST_AWS_ID}, secret_key: {env: WEIR_TEST_AWS_SECRET}, "
             "session_token: {env: WEIR_TEST_AWS_TOKEN}, region: eu-west-1}}}\n"
             "  held: {url: \"http://127.0.0.1:%d\", proxy: none, requires_key: true}\n"
             "  far: {url: \"http://example.invalid\", proxy: \"http://u:%s@127.0.0.1:1\"}\n"
             "apps: {by-header: {team: t}}\n"
             "attribution: [{label: {header.authorization: \"*x*\"}, app: by-header}]\n" SETTINGS,
             run.upstream_port, run.upstream_port, tap.port, tap.port, tap.port, tap.port, tap.port,
             new_secret("the password of a proxy", "connecting"));
    add_client_keys(&text);
    ck_assert_msg(file_replace(run.conf_path, buf_str(&text), 0600, &err) == 0, "%s", err.text);
}

static void start(void)
{
    setenv("WEIR_TEST_LOG", "debug", 1);
    tap_start(&run, SETTINGS);
    proxy_end(&run, SIGTERM);
    configure();
    proxy_launch(&run);
}

static void stop(void)
{
    tap_stop(&run);
}

START_TEST(no_credential_is_anywhere)
{
    for (size_t i = 0; i < ARRAY_LEN(stages); i++)
        send_places(&stages[i]);
    send_and_leave();
    receive_answers();
    use_client_keys();
    send_over_http2();
    look_everywhere_while_it_runs();
    look_everywhere_on_disk();
    proxy_end(&run, SIGKILL); /* with calls under way */
    look_everywhere_on_disk();
    seal_and_look();
    proxy_launch(&run);
    ck_assert_uint_gt(secret_count, ARRAY_LEN(places) * ARRAY_LEN(stages));
}
END_TEST

START_TEST(no_redacted_value_is_anywhere)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err err;

    proxy_end(&run, SIGTERM);
    buf_addf(&text,
             "upstreams:\n  tap: {url: \"http://127.0.0.1:%d\", proxy: none}\n"
             "redaction: {rules: all, patterns: "
             "[{name: employee, pattern: \"EMP-[0-9]{12}\"}]}\n" SETTINGS,
             tap.port);
    ck_assert_int_eq(file_replace(run.conf_path, buf_str(&text), 0600, &err), 0);
    proxy_launch(&run);
    for (size_t rule = 0; rule < ARRAY_LEN(redacted); rule++)
        for (size_t body = 0; body < ARRAY_LEN(bodies); body++) {
            pass_body(rule, body, false);
            if (body < 2)
                pass_body(rule, body, true);
        }
    look_into_admin("/metrics");
    look_everywhere_on_disk();
    pass_body(0, 0, true);
    proxy_end(&run, SIGKILL);
    look_everywhere_on_disk();
    look_into_output("capture seal --archive", run.archive_path, "", "");
    look_everywhere_on_disk();
    look_into_output("capture export --archive", run.archive_path, "", "[employee]");
    look_into_output("capture export --archive", run.archive_path, "--format har", "[email]");
    proxy_launch(&run);
}
END_TEST

/* Credentials that did not get through: the log of a configuration that is refused. */
START_TEST(no_credential_is_in_a_refusal_of_the_configuration)
{
    static const char *const bad[] = {
        "upstreams: {up: {url: \"http://u:$@h\"}}\n",
        "upstreams: {up: {url: \"https://h?key=$\"}}\n",
        "upstreams: {up: {url: \"https://h\", key: \"$\"}}\n",
        "upstreams: {up: {url: \"https://h\", key: {value: \"$\"}}}\n",
        "upstreams: {up: {url: \"https://h\", proxy: \"ftp://u:$@h\"}}\n",
        "upstreams: {up: {url: \"https://h\", proxy: \"http://u:$@h:99999\"}}\n",
        "upstreams: {up: {url: \"https://h\", key: $: x}}\n",
    };
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CLEANUP(buf_release) struct buf text = { 0 };
        add_with_secret(&text, bad[i], new_secret("a configuration", bad[i]));
        buf_add_text(&text, SETTINGS);
        ck_assert_int_eq(file_replace(run.conf_path, buf_str(&text), 0600, &err), 0);
        look_into_output("proxy check", run.conf_path, "", "");
        kill(run.pid, SIGHUP);
    }
    proxy_sleep_ms(300);
    look_everywhere_on_disk();
    configure();
}
END_TEST

START_TEST(the_key_of_the_certificate_is_nowhere)
{
    CLEANUP(buf_release) struct buf pem = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err err;

    proxy_end(&run, SIGTERM);
    tls_files_make(temp_path("cert.pem"), temp_path("key.pem"), "weir", TLS_FILES_LOCAL);
    ck_assert_int_eq(file_read(temp_path("key.pem"), 1u << 20, &pem, &err), 0);
    const char *body = strchr(buf_cstr(&pem), '\n') + 1;
    ck_assert_uint_gt(strlen(body), 2 * SECRET_CHARS + 1);
    struct secret *s = &secrets[secret_count++];
    memcpy(s->text, body + SECRET_CHARS, SECRET_CHARS); /* what is before it names the algorithm */
    s->place = "the key";
    s->stage = "of the certificate";
    buf_addf(&text,
             "upstreams:\n  tap: {url: \"http://127.0.0.1:%d\", proxy: none}\n"
             "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 1, "
             "tls: {cert: ./cert.pem, key: ./key.pem}, status: ./status}\n"
             "archive: {path: ./archive}\n",
             tap.port);
    ck_assert_int_eq(file_replace(run.conf_path, buf_str(&text), 0600, &err), 0);
    proxy_launch(&run);
    int fd = proxy_connect(run.port);
    upstream_text(fd, "GET /tap/x HTTP/1.1\r\nHost: w\r\n\r\n"); /* no TLS */
    buf_clear(&text);
    proxy_read_all(fd, 2000, &text);
    close(fd);
    look_into_admin("/metrics");
    look_into_process(run.pid);
    look_everywhere_on_disk();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("proxy secrets");
    TCase *tc = tcase_create("secrets");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_test(tc, no_credential_is_anywhere);
    tcase_add_test(tc, no_redacted_value_is_anywhere);
    tcase_add_test(tc, no_credential_is_in_a_refusal_of_the_configuration);
    tcase_add_test(tc, the_key_of_the_certificate_is_nowhere);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
