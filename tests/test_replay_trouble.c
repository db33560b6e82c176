/* Faults on the wire: what a client of the stand-in sees, how it ends, and what the book says. */
#include "config.h"

#include "replay/trouble.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/timestamp.h"
#include "replay/server.h"
#include "tests/check_main.h"
#include "tests/http2_frames.h"
#include "tests/standin_run.h"
#include "tests/temp_folder.h"

#define DATE_US  INT64_C(1790899140000000) /* 2026-10-01T23:59:00Z */
#define QUIET_MS 300                       /* so long nothing comes of what hangs */

static struct stand_in it;
static struct buf answer;

/* --- the server's process --- */

static void write_log(void *ctx, struct str line)
{
    FILE *log = ctx;

    ck_assert_uint_eq(fwrite(line.ptr, 1, line.len, log), line.len);
    fflush(log);
}

static struct trouble *make_trouble(const char *scenario, uint64_t seed, const char *log)
{
    struct trouble_options o = { .seed = seed, .date_us = DATE_US, .log = write_log };
    struct err err;

    if (scenario && scenario_parse(str_from(scenario), "s.yaml", &o.scenario, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    o.ctx = fopen(temp_path(log), "w");
    return trouble_new(&o);
}

struct start {
    const char *scenario, *log;
    uint64_t seed;
};

static void add_trouble(struct server_options *o, const void *ctx)
{
    const struct start *of = ctx;

    o->trouble = make_trouble(of->scenario, of->seed, of->log);
}

static void start(const char *scenario, uint64_t seed, const char *log)
{
    standin_start(&it, add_trouble, &(struct start){ scenario, log, seed });
}

static void setup(void)
{
    temp_folder_make();
}

static void teardown(void)
{
    standin_stop(&it);
    buf_release(&answer);
    temp_folder_remove();
}

/* --- the client --- */

static int try_dial(int port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    const void *any = &at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, any, sizeof(at)) == 0)
        return fd;
    int failure = errno;
    close(fd);
    return -failure;
}

static int dial(int port)
{
    int fd = try_dial(port);

    ck_assert_msg(fd >= 0, "%s", strerror(-fd));
    return fd;
}

static void say(int fd, struct str text)
{
    ck_assert_int_eq(send(fd, text.ptr, text.len, MSG_NOSIGNAL), (ssize_t)text.len);
}

/* All that comes into answer.  Returns how it ended: 'e' by an end, 'r' by a reset, 'h' not at all.
 * until (may be NULL): enough is there when it is. */
static char hear(int fd, int quiet_ms, const char *until)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    buf_clear(&answer);
    while (!until || !strstr(buf_cstr(&answer), until)) {
        if (poll(&p, 1, quiet_ms) <= 0)
            return 'h';
        char *at = buf_reserve(&answer, 65536);
        ssize_t n = recv(fd, at, 65536, 0);
        if (n == 0)
            return 'e';
        if (n < 0)
            return 'r';
        answer.len += (size_t)n;
        buf_cstr(&answer);
    }
    return 'u';
}

static void add_request(struct buf *out, const char *method, const char *path, const char *body)
{
    buf_addf(out, "%s %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
             method, path, strlen(body), body);
}

static int ask(int port, const char *method, const char *path, const char *body)
{
    CLEANUP(buf_release) struct buf request = { 0 };
    int fd = dial(port);

    add_request(&request, method, path, body);
    say(fd, buf_str(&request));
    return fd;
}

#define STREAMED "{\"model\":\"m-1\",\"stream\":true,\"messages\":[]}"
#define UNARY    "{\"model\":\"m-1\",\"messages\":[]}"

static char chat(int port, const char *body)
{
    int fd = ask(port, "POST", "/v1/chat/completions", body);
    char end = hear(fd, 5000, NULL);

    close(fd);
    return end;
}

static const char *control(const char *method, const char *path, const char *body)
{
    int fd = ask(it.ports[PORT_CONTROL], method, path, body);

    hear(fd, 5000, NULL);
    close(fd);
    return buf_cstr(&answer);
}

/* --- every kind --- */

/* How an answer in HTTP/1.1 looks from outside:
 *
 *     w  whole: a head, and all of the body it announces
 *     c  cut: an end of the connection within the body
 *     r  a reset, before or within it
 *     h  a head, and then no end
 *     s  nothing at all comes
 *     n  bytes that are no HTTP */
static char looks(char end)
{
    struct str all = buf_str(&answer);
    const char *text = buf_cstr(&answer), *head_end = strstr(text, "\r\n\r\n");
    const char *length = strstr(text, "Content-Length: ");

    if (end == 'r')
        return 'r';
    if (!all.len)
        return end == 'h' ? 's' : 'c';
    if (!head_end)
        return 'n';
    if (end == 'h')
        return 'h';
    if (length && length < head_end)
        return strtoul(length + 16, NULL, 10) == all.len - (size_t)(head_end + 4 - text) ? 'w'
                                                                                         : 'c';
    return str_ends_with(all, STR("\r\n0\r\n\r\n")) ? 'w' : 'c';
}

static const struct {
    const char *fault, *more;
    char stream, whole; /* how it looks; '-' = it is not struck */
    const char *has;    /* in the struck stream */
} kinds[] = {
    {"connect_refused",     "",                          'r', 'r', ""                              },
    { "connect_stall",      "",                          's', 's', ""                              },
    { "reset",              "",                          'r', 'r', ""                              },
    { "dns_failure",        "",                          'r', 'r', ""                              },
    { "dns_stall",          ", delay: 20ms",             'w', 'w', "[DONE]"                        },
    { "tls_failure",        "",                          'n', 'n', "\x15\x03\x03"                  },
    { "silent",             "",                          's', 's', ""                              },
    { "slow_head",          ", delay: 20ms",             'w', 'w', "[DONE]"                        },
    { "silent_first_token", "",                          'h', '-', "HTTP/1.1 200 OK"               },
    { "slow_first_token",   ", delay: 20ms",             'w', 'w', "[DONE]"                        },
    { "invalid_request",    "",                          'w', 'w', "HTTP/1.1 400 "                 },
    { "context_length",     "",                          'w', 'w', "context_length_exceeded"       },
    { "content_filter",     "",                          'w', 'w', "content_policy_violation"      },
    { "auth",               "",                          'w', 'w', "invalid_api_key"               },
    { "billing",            "",                          'w', 'w', "HTTP/1.1 402 "                 },
    { "permission",         "",                          'w', 'w', "HTTP/1.1 403 "                 },
    { "not_found",          "",                          'w', 'w', "model_not_found"               },
    { "request_timeout",    "",                          'w', 'w', "HTTP/1.1 408 "                 },
    { "conflict",           "",                          'w', 'w', "HTTP/1.1 409 "                 },
    { "too_large",          "",                          'w', 'w', "HTTP/1.1 413 "                 },
    { "model_error",        "",                          'w', 'w', "HTTP/1.1 500 "                 },
    { "rate_limited",       "",                          'w', 'w', "\r\nretry-after: 20\r\n"       },
    { "slow_down",          "",                          'w', 'w', "\"slow_down\""                 },
    { "quota_exhausted",    "",                          'w', 'w', "insufficient_quota"            },
    { "spend_limit",        "",                          'w', 'w', "credit_balance_exhausted"      },
    { "model_not_ready",    "",                          'w', 'w', "HTTP/1.1 503 "                 },
    { "server_error",       ", retry_after: 0s",         'w', 'w', "\r\nretry-after: 0\r\n"        },
    { "bad_gateway",        "",                          'w', 'w', "cf_bad_gateway"                },
    { "unavailable",        "",                          'w', 'w', "HTTP/1.1 503 "                 },
    { "overloaded",         "",                          'w', 'w', "server_is_overloaded"          },
    { "gateway_timeout",    "",                          'w', 'w', "HTTP/1.1 504 "                 },
    { "status",             ", status: 530",             'w', 'w', "HTTP/1.1 530 "                 },
    { "html_error",         ", status: 520",             'w', 'w', "content-type: text/html"       },
    { "content_filter_200", "",                          'w', 'w', "\"content_filter\""            },
    { "html_200",           "",                          'w', 'w', "content-type: text/html"       },
    { "error_200",          "",                          'w', 'w', "HTTP/1.1 200 OK"               },
    { "json_for_stream",    "",                          'w', '-', "application/json"              },
    { "wrong_type",         "",                          'w', 'w', "text/plain"                    },
    { "one_buffer",         "",                          'w', '-', "Content-Length: 1"             },
    { "blank_body",         "",                          'w', 'w', "Content-Length: 0"             },
    { "empty_completion",   "",                          'w', 'w', "[DONE]"                        },
    { "zero_usage",         "",                          'w', 'w', "\"total_tokens\":0"            },
    { "no_usage",           "",                          'w', 'w', "[DONE]"                        },
    { "error_first",        "",                          'w', '-', "server_is_overloaded"          },
    { "error_event",        "",                          'w', '-', "server_is_overloaded"          },
    { "failed_event",       "",                          'w', '-', "server_is_overloaded"          },
    { "incomplete_event",   "",                          'w', '-', "\"length\""                    },
    { "stall",              "",                          'h', 'h', " answer"                       },
    { "stall_keepalive",    ", keepalive_every: 1m",     'h', '-', " answer"                       },
    { "long_gap",           ", delay: 20ms",             'w', 'w', "[DONE]"                        },
    { "eof_clean",          "",                          'w', 'w', " was"                          },
    { "eof_tool_call",      "",                          'w', '-', "get_weather"                   },
    { "eof_dirty",          "",                          'c', 'c', " was"                          },
    { "eof_reset",          "",                          'r', 'r', " was"                          },
    { "eof_mid_event",      "",                          'w', '-', " was"                          },
    { "eof_mid_utf8",       "",                          'w', '-', " was"                          },
    { "eof_unterminated",   "",                          'w', '-', "[DONE]\r\n0\r\n"               },
    { "half_open",          "",                          'h', 'h', "[DONE]"                        },
    { "malformed_json",     "",                          'w', 'w', "{malformed "                   },
    { "utf8_split",         "",                          'w', 'w', "\xc3\r\n"                      },
    { "event_split",        "",                          'w', 'w', "HTTP/1.1 200 OK"               },
    { "duplicate",          "",                          'w', '-', "[DONE]"                        },
    { "reorder",            "",                          'w', '-', "[DONE]"                        },
    { "slow",               "",                          'w', 'w', "[DONE]"                        },
    { "slow_stream",        "",                          'w', 'w', "[DONE]"                        },
    { "bandwidth",          ", bytes_per_second: 50000", 'w', 'w', "[DONE]"                        },
    { "quota",              ", requests: 1/day",         'w', 'w', "x-ratelimit-remaining-requests"},
};

START_TEST(every_kind_is_this_on_the_wire)
{
    CLEANUP(buf_release) struct buf scenario = { 0 };
    const char *const bodies[] = { STREAMED, UNARY };
    const char looked[] = { kinds[_i].stream, kinds[_i].whole };

    buf_addf(&scenario, "faults: [{fault: %s, model: m-*%s}]\n", kinds[_i].fault, kinds[_i].more);
    start(buf_cstr(&scenario), 1, "log");
    for (int i = 0; i < 2; i++) {
        int fd = ask(it.ports[PORT_A], "POST", "/v1/chat/completions", bodies[i]);
        bool hangs = looked[i] == 'h' || looked[i] == 's';
        char as = looks(hear(fd, hangs ? QUIET_MS : 10000, NULL));
        close(fd);
        ck_assert_msg(as == (looked[i] == '-' ? 'w' : looked[i]), "%s looks like %c: %s",
                      kinds[_i].fault, as, buf_cstr(&answer));
        if (i == 0)
            ck_assert_msg(strstr(answer.ptr, kinds[_i].has) != NULL, "%s", answer.ptr);
    }
    const char *stats = control("GET", "/-/faults", "");
    ck_assert_msg(strstr(stats, looked[1] == '-' ? "\"struck\":1}"
                                : str_eq(str_from(kinds[_i].fault), STR("quota"))
                                    ? "\"struck\":1}"
                                    : "\"struck\":2}"),
                  "%s", stats);
}
END_TEST

START_TEST(no_kind_is_forgotten_here)
{
    for (const struct fault_kind *k = fault_kinds; k->name; k++) {
        bool found = false;
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
            found |= strcmp(kinds[i].fault, k->name) == 0;
        ck_assert_msg(found, "%s", k->name);
    }
}
END_TEST

START_TEST(a_refusal_is_this_to_the_byte_on_the_wire)
{
    start("faults: [{fault: overloaded, retry_after: 7s}]\n", 1, "log");
    int fd = ask(it.ports[PORT_A], "POST", "/v1/messages", STREAMED);
    hear(fd, 5000, NULL);
    close(fd);
    ck_assert_str_eq(answer.ptr,
                     "HTTP/1.1 529 \r\ncontent-type: application/json\r\n"
                     "request-id: req_e220a8397b1dcdaf\r\nretry-after: 7\r\nConnection: close\r\n"
                     "Content-Length: 112\r\n\r\n{\"type\":\"error\",\"error\":{\"type\":"
                     "\"overloaded_error\",\"message\":\"Overloaded\"},\"request_id\":"
                     "\"req_e220a8397b1dcdaf\"}\n");
}
END_TEST

START_TEST(a_masked_stall_says_that_it_lives_and_no_more)
{
    start("faults: [{fault: stall_keepalive, after: 1, keepalive_every: 20ms}]\n", 1, "log");
    int fd = ask(it.ports[PORT_A], "POST", "/v1/chat/completions", STREAMED);
    ck_assert_int_eq(hear(fd, 5000, "8\r\n: ping\n\n\r\n8\r\n: ping\n\n\r\n8\r\n: ping\n\n\r\n"),
                     'u');
    ck_assert_ptr_nonnull(strstr(answer.ptr, "\"This\""));
    ck_assert_ptr_null(strstr(answer.ptr, " answer"));
    close(fd);
}
END_TEST

/* --- the same twice --- */

static const char chances[] = "faults:\n"
                              "  - {fault: overloaded, probability: 20%}\n"
                              "  - {fault: rate_limited, probability: 20%, retry_after: 3s}\n"
                              "  - {fault: error_event, probability: 20%, after: 2}\n"
                              "  - {fault: event_split, probability: 30%}\n"
                              "  - {fault: eof_dirty, probability: 30%}\n";

/* The bytes of 60 answers, without the pauses and cuts that are the network's. */
static void collect(uint64_t seed, const char *log, struct buf *bytes, struct buf *lines)
{
    struct err err;

    start(chances, seed, log);
    for (int i = 0; i < 60; i++) {
        chat(it.ports[i % 3 ? PORT_A : PORT_B], i % 2 ? STREAMED : UNARY);
        buf_add_str(bytes, buf_str(&answer));
    }
    standin_stop(&it);
    ck_assert_int_eq(file_read(temp_path(log), 1 << 20, lines, &err), 0);
}

START_TEST(the_same_seed_gives_the_same_bytes_and_the_same_log_and_another_does_not)
{
    CLEANUP(buf_release) struct buf a = { 0 }, b = { 0 }, c = { 0 };
    CLEANUP(buf_release) struct buf log_a = { 0 }, log_b = { 0 }, log_c = { 0 };

    collect(7, "a", &a, &log_a);
    collect(7, "b", &b, &log_b);
    collect(8, "c", &c, &log_c);
    ck_assert_uint_gt(log_a.len, 60 * 50);
    ck_assert_str_eq(buf_cstr(&log_a), buf_cstr(&log_b));
    ck_assert_str_ne(buf_cstr(&log_a), buf_cstr(&log_c));
    ck_assert_uint_eq(a.len, b.len);
    ck_assert_int_eq(memcmp(a.ptr, b.ptr, a.len), 0);
    ck_assert(a.len != c.len || memcmp(a.ptr, c.ptr, a.len) != 0);
}
END_TEST

/* --- upstreams, quotas, control --- */

START_TEST(each_port_has_the_troubles_of_its_upstream)
{
    start("faults: [{fault: server_error, upstream: b}]\n", 1, "log");
    ck_assert_int_eq(chat(it.ports[PORT_A], UNARY), 'e');
    ck_assert(strncmp(answer.ptr, "HTTP/1.1 200 ", 13) == 0);
    chat(it.ports[PORT_B], UNARY);
    ck_assert(strncmp(answer.ptr, "HTTP/1.1 500 ", 13) == 0);
    const char *stats = control("GET", "/-/stats", "");
    static const char *const told[] = {
        "\"a\":{\"attempts\":1,\"answered\":1,\"refused\":0,\"struck\":0}",
        "\"b\":{\"attempts\":1,\"answered\":0,\"refused\":1,\"struck\":1",
        "\"attempts\":[{\"upstream\":\"a\",\"model\":\"m-1\",\"status\":200,\"attempts\":1},"
        "{\"upstream\":\"b\",\"model\":\"m-1\",\"status\":500,\"attempts\":1}]}\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(told); i++)
        ck_assert_msg(strstr(stats, told[i]) != NULL, "%s", stats);
}
END_TEST

/* What a gateway would do: a call that was struck goes elsewhere, a later one does so at once, and
 * when it is over one goes back. */
START_TEST(incidents_have_their_moments)
{
    static const char *const elsewhere[] = { "\"elsewhere_us\":", "\"recovered_us\":" };

    start("faults: [{fault: server_error, upstream: a, to: 1h}]\n", 1, "log");
    chat(it.ports[PORT_A], UNARY);
    const char *stats = control("GET", "/-/stats", "");
    ck_assert_msg(strstr(stats,
                         "\"incidents\":[{\"upstream\":\"a\",\"model\":\"m-1\",\"from_us\":0,"
                         "\"until_us\":3600000000,\"first_us\":0,\"struck\":1}]"),
                  "%s", stats);
    chat(it.ports[PORT_B], UNARY);
    stats = control("GET", "/-/stats", "");
    ck_assert(strstr(stats, elsewhere[0]) && !strstr(stats, elsewhere[1]));
    control("POST", "/-/scenario/time", "2h");
    chat(it.ports[PORT_A], UNARY);
    stats = control("GET", "/-/stats", "");
    ck_assert_msg(strstr(stats, elsewhere[1]) != NULL, "%s", stats);
    control("POST", "/-/reset", "");
    ck_assert_ptr_nonnull(strstr(control("GET", "/-/stats", ""), "\"incidents\":[]"));
}
END_TEST

START_TEST(a_quota_is_counted_down_in_headers_and_then_refuses)
{
    start("quotas: [{upstream: a, requests: 3/day}]\n", 1, "log");
    for (int left = 2; left >= 0; left--) {
        char want[64];
        chat(it.ports[PORT_A], UNARY);
        ck_assert(strncmp(answer.ptr, "HTTP/1.1 200 ", 13) == 0);
        snprintf(want, sizeof(want), "x-ratelimit-remaining-requests: %d\r\n", left);
        ck_assert_msg(strstr(answer.ptr, want) != NULL, "%s", answer.ptr);
    }
    chat(it.ports[PORT_A], UNARY);
    ck_assert(strncmp(answer.ptr, "HTTP/1.1 429 ", 13) == 0);
    ck_assert_ptr_nonnull(strstr(answer.ptr, "\r\nretry-after: "));
    ck_assert_ptr_nonnull(strstr(answer.ptr, "x-ratelimit-limit-requests: 3\r\n"));
    chat(it.ports[PORT_B], UNARY);
    ck_assert(strncmp(answer.ptr, "HTTP/1.1 200 ", 13) == 0);
}
END_TEST

START_TEST(a_port_that_refuses_refuses_and_opens_again)
{
    start(NULL, 1, "log");
    control("PUT", "/-/faults", "faults: [{fault: connect_refused, upstream: a}]");
    ck_assert_ptr_nonnull(strstr(answer.ptr, "\"fault\":\"connect_refused\""));
    ck_assert_int_eq(try_dial(it.ports[PORT_A]), -ECONNREFUSED);
    ck_assert_int_eq(chat(it.ports[PORT_B], UNARY), 'e');
    control("DELETE", "/-/faults", "");
    ck_assert_int_eq(chat(it.ports[PORT_A], UNARY), 'e');
    ck_assert(strncmp(answer.ptr, "HTTP/1.1 200 ", 13) == 0);
    /* By itself, when its window ends. */
    control("PUT", "/-/faults", "faults: [{fault: dns_failure, upstream: a, to: 100ms}]");
    int fd;
    for (int i = 0; (fd = try_dial(it.ports[PORT_A])) < 0 && i < 1000; i++)
        usleep(10000);
    ck_assert_int_ge(fd, 0);
    close(fd);
}
END_TEST

/* Of an upstream, in the book of incidents. */
static size_t count_incidents(const char *stats, const char *upstream, const char *with)
{
    char begins[64];
    size_t n = 0;

    snprintf(begins, sizeof(begins), "{\"upstream\":\"%s\",\"model\":", upstream);
    for (const char *at = strstr(stats, "\"incidents\":["); at && (at = strstr(at, begins)); at++) {
        const char *found = strstr(at, with);
        n += found && found < strchr(at, '}');
    }
    return n;
}

START_TEST(what_live_faults_struck_is_over_when_they_are_taken_away)
{
    const char *stats;

    start("faults: [{fault: overloaded, upstream: b}]\n", 1, "log");
    control("PUT", "/-/faults", "faults: [{fault: server_error}]");
    chat(it.ports[PORT_A], UNARY);
    chat(it.ports[PORT_B], UNARY);
    ck_assert_ptr_null(strstr(control("GET", "/-/stats", ""), "\"until_us\""));
    /* Others in their place: it goes on, and is another one. */
    control("PUT", "/-/faults", "faults: [{fault: overloaded, upstream: a}]");
    chat(it.ports[PORT_A], UNARY);
    ck_assert(strncmp(answer.ptr, "HTTP/1.1 503 ", 13) == 0);
    stats = control("GET", "/-/stats", "");
    ck_assert_msg(count_incidents(stats, "a", "first_us") == 2 &&
                      count_incidents(stats, "a", "goes_on") == 1,
                  "%s", stats);
    /* At b the scenario's own fault stays. */
    ck_assert_msg(count_incidents(stats, "b", "first_us") == 1 &&
                      count_incidents(stats, "b", "goes_on") == 1,
                  "%s", stats);
    control("DELETE", "/-/faults", "");
    stats = control("GET", "/-/stats", "");
    ck_assert_ptr_null(strstr(stats, "recovered_us"));
    chat(it.ports[PORT_A], UNARY);
    ck_assert(strncmp(answer.ptr, "HTTP/1.1 200 ", 13) == 0);
    stats = control("GET", "/-/stats", "");
    ck_assert_msg(count_incidents(stats, "a", "until_us") == 2 &&
                      count_incidents(stats, "a", "recovered_us") > 0,
                  "%s", stats);
}
END_TEST

START_TEST(the_clock_starts_at_the_first_attempt_or_when_told_and_can_be_set)
{
    start("faults: [{fault: server_error, from: 1h, to: 2h}]\n", 1, "log");
    ck_assert_ptr_nonnull(strstr(control("GET", "/-/stats", ""), "\"started\":false,\"at_us\":-1"));
    chat(it.ports[PORT_A], UNARY);
    ck_assert(strncmp(answer.ptr, "HTTP/1.1 200 ", 13) == 0);
    ck_assert_ptr_nonnull(strstr(control("GET", "/-/stats", ""), "\"started\":true"));
    control("POST", "/-/scenario/time", "90m");
    chat(it.ports[PORT_A], UNARY);
    ck_assert(strncmp(answer.ptr, "HTTP/1.1 500 ", 13) == 0);
    control("POST", "/-/scenario/time", "2h");
    chat(it.ports[PORT_A], UNARY);
    ck_assert(strncmp(answer.ptr, "HTTP/1.1 200 ", 13) == 0);
}
END_TEST

START_TEST(attempts_of_one_call_are_told_apart_from_other_calls)
{
    start("faults: [{fault: overloaded, upstream: a}]\n", 1, "log");
    for (int i = 0; i < 3; i++)
        chat(it.ports[PORT_A], "{\"model\":\"m-1\",\"messages\":[{\"content\":\"one\"}]}");
    chat(it.ports[PORT_B],
         "{ \"messages\": [{\"content\":\"one\"}], \"model\": \"m-2\", \"temperature\": 1}");
    chat(it.ports[PORT_B], "{\"model\":\"m-1\",\"messages\":[{\"content\":\"two\"}]}");
    const char *calls = control("GET", "/-/calls?all=1", "");
    ck_assert_msg(strstr(calls, "{\"calls\":2,\"attempts\":5,\"most\":4,"
                                "\"attempts_of_calls_not_kept\":0,"
                                "\"calls_with_attempts\":[1,0,0,1,0,0,0,0],\"each\":[{\"call\":\""),
                  "%s", calls);
    ck_assert_ptr_nonnull(
        strstr(calls, "\"attempts\":4,\"trail\":[{\"upstream\":\"a\",\"status\":503},"
                      "{\"upstream\":\"a\",\"status\":503},{\"upstream\":\"a\",\"status\":503},"
                      "{\"upstream\":\"b\",\"status\":200}]}"));
    control("POST", "/-/reset", "");
    ck_assert_ptr_nonnull(strstr(control("GET", "/-/calls", ""), "{\"calls\":0,\"attempts\":0,"));
}
END_TEST

static const struct {
    const char *method, *path, *body, *begins, *has;
} misuses[] = {
    ROW("GET", "/", "", "HTTP/1.1 404 ", "GET /-/stats"),
    ROW("GET", "/v1/chat/completions", "", "HTTP/1.1 404 ", "PUT /-/faults"),
    ROW("DELETE", "/-/stats", "", "HTTP/1.1 405 ", "GET /-/stats"),
    ROW("PUT", "/-/faults", "faults: [{fault: nonsense}]", "HTTP/1.1 400 ",
        "faults:1:18: there is no fault 'nonsense'"),
    ROW("PUT", "/-/faults", "\t", "HTTP/1.1 400 ", "faults"),
    ROW("POST", "/-/scenario/time", "soon", "HTTP/1.1 400 ",
        "expected a duration such as 90s, got 'soon'"),
    ROW("GET", "/-/health", "", "HTTP/1.1 200 ", "ok"),
};

START_TEST(control_says_what_it_understands)
{
    start(NULL, 1, "log");
    const char *told = control(misuses[_i].method, misuses[_i].path, misuses[_i].body);
    ck_assert_msg(strncmp(told, misuses[_i].begins, strlen(misuses[_i].begins)) == 0, "%s", told);
    ck_assert_msg(strstr(told, misuses[_i].has) != NULL, "%s", told);
}
END_TEST

/* --- HTTP/2 --- */

/* What came of stream 1: its data's bytes, then '.' for an end, 'x' for a reset, '?' for neither.
 */
static char h2_end(size_t *ret_bytes)
{
    struct str rest = buf_str(&answer);
    struct frame f;
    char end = '?';

    *ret_bytes = 0;
    while (frame_next(&rest, &f)) {
        if (f.stream == 1 && f.type == FRAME_DATA)
            *ret_bytes += f.body.len;
        if (f.stream == 1 && f.type == FRAME_RST)
            end = 'x';
        if (f.stream == 1 && (f.type == FRAME_DATA || f.type == FRAME_HEADERS) &&
            f.flags & FLAG_END_STREAM)
            end = '.';
    }
    return end;
}

static const struct {
    const char *fault;
    char end;
    bool has_bytes;
} h2_rows[] = {
    {"overloaded",          '.', true },
    { "reset",              'x', false},
    { "tls_failure",        'x', false},
    { "silent",             '?', false},
    { "silent_first_token", '?', false},
    { "stall",              '?', true },
    { "stall_keepalive",    '?', true },
    { "eof_clean",          '.', true },
    { "eof_dirty",          'x', true },
    { "eof_reset",          'x', true },
    { "half_open",          '?', true },
    { "error_event",        '.', true },
    { "event_split",        '.', true },
};

START_TEST(a_stream_of_http2_is_struck_by_itself)
{
    CLEANUP(buf_release) struct buf out = { 0 }, scenario = { 0 };
    size_t bytes;

    buf_addf(&scenario, "faults: [{fault: %s}]\n", h2_rows[_i].fault);
    start(buf_cstr(&scenario), 1, "log");
    int fd = dial(it.ports[PORT_A]);
    frame_add_preface(&out);
    frame_add_head(&out, 1, FLAG_END_HEADERS,
                   ":method=POST\n:scheme=http\n:authority=h\n:path=/v1/chat/completions\n");
    frame_add(&out, FRAME_DATA, FLAG_END_STREAM, 1, STR(STREAMED));
    say(fd, buf_str(&out));
    ck_assert_int_eq(hear(fd, QUIET_MS, NULL), 'h'); /* the connection stays */
    close(fd);
    ck_assert_int_eq(h2_end(&bytes), h2_rows[_i].end);
    ck_assert_int_eq(bytes > 0, h2_rows[_i].has_bytes);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, every_kind_is_this_on_the_wire, 0, (int)ARRAY_LEN(kinds));
    tcase_add_test(tc, no_kind_is_forgotten_here);
    tcase_add_test(tc, a_refusal_is_this_to_the_byte_on_the_wire);
    tcase_add_test(tc, a_masked_stall_says_that_it_lives_and_no_more);
    tcase_add_test(tc, the_same_seed_gives_the_same_bytes_and_the_same_log_and_another_does_not);
    tcase_add_test(tc, each_port_has_the_troubles_of_its_upstream);
    tcase_add_test(tc, incidents_have_their_moments);
    tcase_add_test(tc, a_quota_is_counted_down_in_headers_and_then_refuses);
    tcase_add_test(tc, a_port_that_refuses_refuses_and_opens_again);
    tcase_add_test(tc, what_live_faults_struck_is_over_when_they_are_taken_away);
    tcase_add_test(tc, the_clock_starts_at_the_first_attempt_or_when_told_and_can_be_set);
    tcase_add_test(tc, attempts_of_one_call_are_told_apart_from_other_calls);
    tcase_add_loop_test(tc, control_says_what_it_understands, 0, (int)ARRAY_LEN(misuses));
    tcase_add_loop_test(tc, a_stream_of_http2_is_struck_by_itself, 0, (int)ARRAY_LEN(h2_rows));
}

CHECK_MAIN("replay/trouble", add_tests)
