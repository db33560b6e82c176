/* make-sample - prints sample traffic: make-sample [COUNT [SEED]]. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "tools/sample.h"

#define COUNT_DEFAULT 180 /* what share/sample holds */
#define COUNT_MAX     100000000
#define SEED_DEFAULT  1
#define DAYS          31 /* October 2026 */

uint64_t sample_random(struct sample *s, uint64_t least, uint64_t most)
{
    /* splitmix64 (Steele, Lea, Flood 2014); the bias of the remainder does not matter here. */
    s->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = s->random;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return least + (z ^ z >> 31) % (most - least + 1);
}

void sample_words(struct sample *s, unsigned words, struct buf *out)
{
    static const char *const vocabulary[] = {
        "river", "water", "gate",  "stone",  "boat",   "bank",   "level", "rises", "falls",
        "slow",  "quick", "the",   "a",      "below",  "above",  "every", "order", "parcel",
        "late",  "early", "asks",  "why",    "when",   "answer", "short", "clear", "please",
        "check", "meter", "north", "meadow", "bridge", "and",    "then",  "again", "today",
    };

    for (unsigned i = 0; i < words; i++)
        buf_addf(out, "%s%s", i ? " " : "",
                 vocabulary[sample_random(s, 0, ARRAY_LEN(vocabulary) - 1)]);
}

/* Each kind once, then as often as its weight says. */
static const struct sample_kind *choose_kind(struct sample *s)
{
    uint64_t total = 0;

    if (s->number <= sample_kind_count)
        return &sample_kinds[s->number - 1];
    for (unsigned i = 0; i < sample_kind_count; i++)
        total += sample_kinds[i].weight;
    uint64_t drawn = sample_random(s, 1, total);
    const struct sample_kind *kind = sample_kinds;
    for (; drawn > kind->weight; kind++)
        drawn -= kind->weight;
    return kind;
}

/* "Thu, 01 Oct 2026 06:00:00 GMT" (RFC 9110). */
static void add_http_date(struct buf *out, int64_t us)
{
    static const char days[] = "MonTueWedThuFriSatSun";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct civil c = civil_from_us(us);

    buf_addf(out, "\"%.3s, %02d %.3s %04d %02d:%02d:%02d GMT\"", &days[3 * civil_weekday(c)], c.day,
             &months[3 * (c.month - 1)], c.year, c.hour, c.minute, c.second);
}

static void add_request_headers(const struct sample *s, struct buf *out)
{
    CLEANUP(buf_release) struct buf credential = { 0 };

    json_add_key(out, "req_headers");
    buf_add_byte(out, '{');
    json_add_str(out, "content-type", STR("application/json"));
    json_add_str(out, "user-agent", str_from(s->user_agent));
    buf_addf(&credential, "Bearer %s", s->key);
    json_add_str(out, "authorization", buf_str(&credential));
    json_add_str(out, "x-weir-app", str_from(s->app));
    buf_add_byte(out, '}');
}

static void add_response_headers(const struct sample *s, struct buf *out)
{
    json_add_key(out, "resp_headers");
    buf_add_byte(out, '{');
    json_add_str(out, "content-type", str_from(s->content_type));
    json_add_key(out, "date");
    add_http_date(out, s->at_us);
    if (s->extra_name)
        json_add_str(out, s->extra_name, str_from(s->extra_value));
    buf_add_byte(out, '}');
}

static void add_line(const struct sample *s, struct buf *out)
{
    buf_add_byte(out, '{');
    json_add_str(out, "method", STR("POST"));
    json_add_str(out, "url", buf_str(&s->url));
    add_request_headers(s, out);
    json_add_str(out, "req_body", buf_str(&s->request));
    json_add_int(out, "status", s->status);
    add_response_headers(s, out);
    if (s->is_binary) {
        CLEANUP(buf_release) struct buf text = { 0 };
        base64_encode(&text, buf_str(&s->response));
        json_add_str(out, "resp_body_b64", buf_str(&text));
    } else {
        json_add_str(out, "resp_body", buf_str(&s->response));
    }
    buf_add_text(out, "}\n");
}

static void make_one(struct sample *s)
{
    const struct sample_kind *kind = choose_kind(s);

    buf_clear(&s->url);
    buf_clear(&s->request);
    buf_clear(&s->response);
    s->app = kind->app;
    s->user_agent = kind->user_agent;
    s->key = kind->key;
    s->status = 200;
    s->content_type = "application/json";
    s->is_binary = false;
    s->extra_name = s->extra_value = NULL;
    kind->make(s);
}

static int print_sample(uint64_t count, uint64_t seed)
{
    CLEANUP(buf_release) struct buf line = { 0 };
    struct sample s = { .random = seed };
    int64_t first = civil_to_us((struct civil){ .year = 2026, .month = 10, .day = 1, .hour = 6 });
    int64_t step = DAYS * US_PER_DAY / (int64_t)(count + 1);

    for (s.number = 1; s.number <= count; s.number++) {
        s.at_us = first + step * (int64_t)(s.number - 1);
        make_one(&s);
        buf_clear(&line);
        add_line(&s, &line);
        if (fwrite(line.ptr, 1, line.len, stdout) < line.len)
            break;
    }
    buf_release(&s.url);
    buf_release(&s.request);
    buf_release(&s.response);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_SUCCESS;
    perror("make-sample: standard output");
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    int64_t count = COUNT_DEFAULT, seed = SEED_DEFAULT;

    if (argc > 3 || (argc > 1 && !str_to_i64(str_from(argv[1]), &count)) ||
        (argc > 2 && !str_to_i64(str_from(argv[2]), &seed)) || count < 1 || count > COUNT_MAX) {
        fputs("usage: make-sample [COUNT [SEED]]\n", stderr);
        return 2;
    }
    return print_sample((uint64_t)count, (uint64_t)seed);
}
