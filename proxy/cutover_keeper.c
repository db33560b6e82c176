#include "config.h"

#include "proxy/cutover_keeper.h"

#include <stdlib.h>

#include "proxy/cutover_file.h"
#include "proxy/watch.h"

struct cutover_keeper {
    struct cutover_keeper_options o;
    struct proxy_conf *conf; /* the current one: a reference */
    struct watch *watch;
    struct buf text;   /* what is followed */
    struct buf fitted; /* what will be, with the next configuration */
};

static void follow(struct cutover_keeper *k, struct buf *text, const struct cutover *c)
{
    if (str_eq(buf_str(text), buf_str(&k->text)))
        return;
    struct buf old = k->text;
    k->text = *text;
    *text = old;
    k->o.stats->cutovers_taken++;
    log_event(k->o.log, LOG_LEVEL_INFO, loop_wall_us(k->o.loop), "cutover_taken",
              LOG_INT("epoch", c ? c->epoch : 0), LOG_STR("marker", c ? c->marker : STR("")),
              LOG_INT("entries", c ? c->app_count : 0));
    k->o.tell(k->o.ctx, buf_str(&k->text));
}

void cutover_keeper_read(struct cutover_keeper *k)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    CLEANUP(cutover_free) struct cutover *c = NULL;
    struct err err;

    if (cutover_file_read(k->conf, &text, &err) == 0 &&
        cutover_file_parse(buf_str(&text), k->conf, &c, &err) == 0) {
        follow(k, &text, c);
        return;
    }
    k->o.stats->cutovers_refused++;
    log_event(k->o.log, LOG_LEVEL_ERROR, loop_wall_us(k->o.loop), "cutover_refused",
              LOG_STR("reason", str_from(err.text)));
}

static void on_change(void *ctx)
{
    cutover_keeper_read(ctx);
}

static void watch_file(struct cutover_keeper *k)
{
    watch_set(k->watch, &k->conf->cutover_path, k->conf->cutover_path.len > 0);
}

int cutover_keeper_fit(struct cutover_keeper *k, const struct proxy_conf *c, struct err *err)
{
    CLEANUP(cutover_free) struct cutover *cutover = NULL;

    buf_clear(&k->fitted);
    if (str_eq(c->cutover_path, k->conf->cutover_path))
        buf_add_str(&k->fitted, buf_str(&k->text));
    else if (cutover_file_read(c, &k->fitted, err) < 0)
        return -1;
    return cutover_file_parse(buf_str(&k->fitted), c, &cutover, err);
}

void cutover_keeper_use(struct cutover_keeper *k, struct proxy_conf *c)
{
    CLEANUP(cutover_free) struct cutover *cutover = NULL;
    struct err err;

    proxy_conf_unref(k->conf);
    k->conf = proxy_conf_ref(c);
    if (cutover_file_parse(buf_str(&k->fitted), c, &cutover, &err) == 0) /* it was fitted */
        follow(k, &k->fitted, cutover);
    watch_file(k);
}

int cutover_keeper_open(const struct cutover_keeper_options *options, struct proxy_conf *c,
                        struct cutover_keeper **ret, struct err *err)
{
    CLEANUP(cutover_keeper_close) struct cutover_keeper *k = mem_calloc(1, sizeof(*k));
    CLEANUP(cutover_free) struct cutover *cutover = NULL;

    k->o = *options;
    k->conf = proxy_conf_ref(c);
    if (watch_open(k->o.loop, on_change, k, &k->watch, err) < 0)
        return -1;
    watch_file(k); /* before it is read: no change is missed */
    if (cutover_file_read(c, &k->text, err) < 0 ||
        cutover_file_parse(buf_str(&k->text), c, &cutover, err) < 0)
        return -1;
    *ret = TAKE(k);
    return 0;
}

void cutover_keeper_close(struct cutover_keeper *k)
{
    if (!k)
        return;
    watch_close(k->watch);
    proxy_conf_unref(k->conf);
    buf_release(&k->text);
    buf_release(&k->fitted);
    free(k);
}

void cutover_keeper_close_inherited(const struct cutover_keeper *k)
{
    if (k)
        watch_close_inherited(k->watch);
}

struct str cutover_keeper_text(const struct cutover_keeper *k)
{
    return buf_str(&k->text);
}
