#include "config.h"

#include "replay/passage.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/timestamp.h"
#include "replay/drive_record.h"
#include "replay/server.h"

#define LAG_US (600 * US_PER_SECOND) /* nothing here is on time, or has to be */

enum leg { DIRECT, GATEWAY };

static const char *const leg_names[] = { [DIRECT] = "direct", [GATEWAY] = "gateway" };

struct run {
    const struct passage_options *o;
    struct passage *ret;
    struct drill_gateway gateway;
    struct loop *loop;
    struct library *library;
    struct trouble *trouble;
    struct server *server;
    struct trace *trace;
    struct drive *drive; /* of the leg under way */
    struct drive_record *record;
    struct buf headers;
    enum leg leg;
    uint64_t asked; /* by the call under way */
};

static void run_release(struct run *r)
{
    drive_close(r->drive);
    drive_record_close(r->record);
    drill_gateway_release(&r->gateway);
    server_close(r->server);
    trouble_free(r->trouble);
    library_free(r->library);
    trace_free(r->trace);
    loop_close(r->loop);
    buf_release(&r->headers);
}
DEFINE_CLEANUP_VALUE(struct run, run_release)

/* --- the stand-in --- */

static bool is_same_api(const struct trace_request *t, const struct server_request *r,
                        const struct call_facts *facts)
{
    if (facts->api == t->api && t->api != API_UNKNOWN)
        return true;
    return request_is_same_path(r->request.path, t->path);
}

static void look_at_request(struct run *r, const struct trace_request *t,
                            const struct server_request *got, const struct call_facts *facts)
{
    struct passage_request request = {
        .sent_head = t->head,
        .headers = got->headers,
        .header_count = got->header_count,
        .body = got->request.body,
    };
    struct err ignored;

    if (!is_same_api(t, got, facts)) {
        r->ret->translated++;
        return;
    }
    if (trace_body(r->trace, drive_done(r->drive), &request.sent_body, &ignored) == 0)
        r->ret->compared += passage_compare(r->ret, &request);
}

/* One call at a time is under way: its number is how many are over. */
static struct answer *on_request(void *ctx, const struct server_request *got,
                                 const struct call_facts *facts)
{
    struct run *r = ctx;
    struct trace_request t;
    struct answer *a = NULL;
    struct err ignored;

    if (!r->drive || drive_done(r->drive) >= trace_len(r->trace))
        return NULL; /* a gateway that looks who is there */
    trace_at(r->trace, drive_done(r->drive), &t);
    r->ret->attempts[r->leg]++;
    if (r->leg == GATEWAY && !r->asked++)
        look_at_request(r, &t, got, facts);
    if (is_same_api(&t, got, facts) && library_get(r->library, t.id, &a, &ignored) < 0)
        return NULL;
    return a;
}

static int open_standin(struct run *r, struct err *err)
{
    struct trouble_options nothing = { 0 };
    struct server_options o = {
        .loop = r->loop,
        .listener = -1,
        .speed = PLAY_SPEED_MAX,
        .unmatched = SERVER_UNMATCHED_SYNTH,
        .on_request = on_request,
        .ctx = r,
    };

    r->library = library_new();
    r->trouble = trouble_new(&nothing);
    o.library = r->library;
    o.trouble = r->trouble;
    if (library_add(r->library, sample_archive(r->o->sample), err) < 0 ||
        server_open(&o, &r->server, err) < 0)
        return -1;
    for (size_t i = 0; i < r->gateway.providers.len; i++) {
        const struct drill_provider *p = &r->gateway.providers.ptr[i];
        CLEANUP(buf_release) struct buf name = { 0 };
        int fd;
        buf_add_str(&name, p->name);
        if (listener_open(STR("127.0.0.1"), p->port, false, &fd, err) < 0 ||
            server_add_port(r->server, fd, buf_cstr(&name), err) < 0)
            return -1;
    }
    return 0;
}

/* --- a leg --- */

static void on_call(void *ctx, const struct drive_call *call, const struct drive_result *result)
{
    struct run *r = ctx;

    (void)call;
    r->ret->ok[r->leg] += result->ok;
    if (result->ok)
        sketch_add(&r->ret->total_us[r->leg], result->end_us);
    if (r->leg == GATEWAY && !r->asked)
        r->ret->unasked++;
    r->asked = 0;
}

static int on_exchange(void *ctx, const struct trace_request *request, const struct exchange *x,
                       struct err *err)
{
    struct run *r = ctx;

    return drive_record_add(r->record, request, x, err);
}

static const char *leg_path(struct run *r, enum leg leg)
{
    return drill_textf(&r->gateway, "%s/%s", r->gateway.folder, leg_names[leg]);
}

static int run_leg(struct run *r, enum leg leg, struct err *err)
{
    uint16_t port =
        leg == DIRECT ? r->gateway.providers.ptr[0].port : drill_gateway_port(&r->gateway);
    const char *url = drill_textf(&r->gateway, "http://127.0.0.1:%u", port);
    struct drive_options o = {
        .loop = r->loop,
        .trace = r->trace,
        .target = leg == DIRECT ? r->o->target_direct : r->o->target_gateway,
        .headers = leg == DIRECT ? STR("") : buf_str(&r->headers),
        .key = leg == DIRECT ? STR("") : r->o->key,
        .speed = PLAY_SPEED_MAX,
        .under_way = 1,
        .caller = caller_find(STR("none")),
        .deadline_us = r->o->deadline_us,
        .seed = 1,
        .lag_us = LAG_US,
        .on_call = on_call,
        .on_exchange = on_exchange,
        .ctx = r,
    };

    r->leg = leg;
    r->asked = 0;
    if (http_url_parse(str_from(url), &o.url, err) < 0 ||
        drive_record_open(leg_path(r, leg), str_from(leg_names[leg]), r->o->now_us, &r->record,
                          err) < 0 ||
        drive_open(&o, &r->drive, err) < 0 || drive_run(r->drive, err) < 0)
        return err_wrap(err, leg == DIRECT ? "calling directly" : "calling through the gateway");
    drive_close(TAKE(r->drive));
    return drive_record_finish(TAKE(r->record), err);
}

/* --- comparing --- */

static int read_side(const char *path, struct diff_side *ret, struct err *err)
{
    CLEANUP(archive_close) struct archive *a = NULL;

    if (archive_open(path, false, &a, err) < 0)
        return -1;
    return diff_side_add(ret, a, NULL, err);
}

static int compare_legs(struct run *r, struct err *err)
{
    CLEANUP(diff_side_free) struct diff_side *base = diff_side_new();
    CLEANUP(diff_side_free) struct diff_side *other = diff_side_new();
    CLEANUP(diff_side_free) struct diff_side *noise = diff_side_new();

    if (diff_side_add(base, sample_archive(r->o->sample), NULL, err) < 0 ||
        read_side(leg_path(r, GATEWAY), other, err) < 0 ||
        read_side(leg_path(r, DIRECT), noise, err) < 0)
        return -1;
    diff_compare(base, other, noise, &r->ret->diff);
    return 0;
}

static int most_first(const void *left, const void *right)
{
    const struct passage_delta *a = left, *b = right;

    if (a->calls != b->calls)
        return a->calls > b->calls ? -1 : 1;
    if (a->change != b->change)
        return a->change < b->change ? -1 : 1;
    return str_cmp(a->what, b->what);
}

int passage_run(const struct passage_options *o, struct passage *ret, struct err *err)
{
    CLEANUP(run_release) struct run r = { .o = o, .ret = ret };
    struct trace_filter all = { .from_us = 0, .to_us = INT64_MAX };

    *ret = (struct passage){ 0 };
    r.trace = trace_new(&all);
    if (trace_add(r.trace, sample_archive(o->sample), err) < 0)
        return -1;
    trace_sort(r.trace);
    ret->calls = trace_len(r.trace);
    if (drill_gateway_open(&o->gateway, &r.gateway, err) < 0 ||
        drill_gateway_fill(&r.gateway, o->headers, &r.headers, err) < 0 ||
        loop_open(&r.loop, err) < 0 || open_standin(&r, err) < 0 || run_leg(&r, DIRECT, err) < 0 ||
        drill_gateway_start(&r.gateway, r.loop, err) < 0 || run_leg(&r, GATEWAY, err) < 0 ||
        compare_legs(&r, err) < 0)
        return -1;
    if (ret->deltas.len)
        qsort(ret->deltas.ptr, ret->deltas.len, sizeof(*ret->deltas.ptr), most_first);
    return 0;
}

void passage_release(struct passage *p)
{
    diff_release(&p->diff);
    vec_release(&p->deltas);
    sketch_release(&p->total_us[DIRECT]);
    sketch_release(&p->total_us[GATEWAY]);
    arena_release(&p->arena);
}
