#include "config.h"

#include "replay/drill_gateway.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/listener.h"
#include "base/timestamp.h"
#include "base/tls_authority.h"

#define PORT_FIRST       10000
#define PORT_COUNT       20000
#define PORT_STRIDE      10
#define PORT_TRIES       1000
#define POLL_US          10000
#define STOP_US          (5 * US_PER_SECOND)
#define LAST_WORDS_MAX   500
#define OUTPUT_BYTES_MAX (64u << 20)
#define CONFIG_BYTES_MAX (16u << 20)
#define OPEN_FOLDERS     16
#define CERTIFICATE_DAYS 30

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

void drill_gateway_release(struct drill_gateway *g)
{
    subprocess_stop(&g->process, STOP_US);
    if (g->rendered)
        unlink(g->rendered);
    if (g->folder)
        nftw(g->folder, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
    for (size_t i = 0; i < g->texts.len; i++)
        free(g->texts.ptr[i]);
    vec_release(&g->texts);
    vec_release(&g->providers);
    drill_config_release(&g->config);
    buf_release(&g->config_text);
    free(g->folder);
    free(g->rendered);
}

const char *drill_textf(struct drill_gateway *g, const char *fmt, ...)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    va_list args;

    va_start(args, fmt);
    buf_addvf(&text, fmt, args);
    va_end(args);
    vec_push(&g->texts, mem_strdup(buf_cstr(&text)));
    return g->texts.ptr[g->texts.len - 1];
}

uint16_t drill_gateway_port(const struct drill_gateway *g)
{
    return g->options.is_direct ? g->providers.ptr[0].port : g->places.port;
}

/* --- places --- */

/* One that is free now: who is told of it listens there a moment later.  Not of those that the
 * kernel gives to outgoing connections (32768 and up), of which one could come in between; and
 * drills at the same time begin at different ones. */
int drill_free_port(struct drill_gateway *g, uint16_t *ret, struct err *err)
{
    for (int i = 0; i < PORT_TRIES; i++) {
        uint32_t number = (uint32_t)getpid() * PORT_STRIDE + g->ports_seen++;
        uint16_t port = (uint16_t)(PORT_FIRST + number % PORT_COUNT);
        int fd;
        if (listener_open(STR("127.0.0.1"), port, false, &fd, err) < 0)
            continue;
        close(fd);
        *ret = port;
        return 0;
    }
    return err_wrap(err, "no port is free");
}

static int add_provider(struct drill_gateway *g, struct str name, struct err *err)
{
    const struct scenario *faults = g->options.faults;
    struct drill_provider p = { .name = name,
                                .has_no_name = faults && scenario_has_no_name(faults, name) };

    for (size_t i = 0; i < g->providers.len; i++)
        if (str_eq(g->providers.ptr[i].name, name))
            return 0;
    if (g->providers.len == DRILL_PROVIDERS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d stand-ins", DRILL_PROVIDERS_MAX);
    if (drill_free_port(g, &p.port, err) < 0)
        return -1;
    vec_push(&g->providers, p);
    return 0;
}

static int make_folder(struct drill_gateway *g, struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    CLEANUP(buf_release) struct buf path = { 0 };

    buf_addf(&path, "%s/weir-drill-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    buf_cstr(&path);
    if (!mkdtemp(path.ptr))
        return err_sys(err, "cannot make a folder '%s'", path.ptr);
    g->folder = mem_strdup(path.ptr);
    return 0;
}

static int write_file(struct drill_gateway *g, const char *name, struct str text, struct err *err)
{
    return file_replace(drill_textf(g, "%s/%s", g->folder, name), text, 0600, err);
}

/* An authority for this drill alone: whoever is told of it trusts its stand-ins, and nobody else.
 */
static int make_certificate(struct drill_gateway *g, struct err *err)
{
    CLEANUP(tls_authority_release) struct tls_authority a = { 0 };

    if (!g->options.tls_us)
        return 0;
    if (tls_authority_make(&a, "DNS:localhost,IP:127.0.0.1", g->options.tls_us, CERTIFICATE_DAYS,
                           err) < 0 ||
        write_file(g, "ca.pem", buf_str(&a.ca), err) < 0 ||
        write_file(g, DRILL_CERT, buf_str(&a.cert), err) < 0 ||
        write_file(g, DRILL_KEY, buf_str(&a.key), err) < 0)
        return -1;
    g->places.ca = drill_textf(g, "%s/ca.pem", g->folder);
    return 0;
}

static int read_config(struct drill_gateway *g, struct err *err)
{
    const struct drill_gateway_options *o = &g->options;

    if (o->config && !o->is_direct &&
        (file_read(o->config, CONFIG_BYTES_MAX, &g->config_text, err) < 0 ||
         drill_config_read(buf_str(&g->config_text), o->config, &g->config, err) < 0))
        return -1;
    if (!o->command && !o->is_direct && !g->config.is_weir)
        return err_set(err, ERR_USAGE,
                       "without --gateway, --config must be weir's own, with upstreams");
    return 0;
}

static int find_places(struct drill_gateway *g, struct err *err)
{
    const char *const *providers = g->options.providers;

    for (size_t i = 0; i < g->config.upstreams.len; i++)
        if (add_provider(g, g->config.upstreams.ptr[i], err) < 0)
            return -1;
    for (size_t i = 0; providers && providers[i]; i++)
        if (add_provider(g, str_from(providers[i]), err) < 0)
            return -1;
    if (!g->providers.len)
        return err_set(err, ERR_USAGE, "nobody stands for a provider: name them with --provider");
    if (make_folder(g, err) < 0 || make_certificate(g, err) < 0 ||
        drill_free_port(g, &g->places.port, err) < 0)
        return -1;
    g->places.archive = drill_textf(g, "%s/archive", g->folder);
    g->places.providers = g->providers.ptr;
    g->places.provider_count = g->providers.len;
    return 0;
}

/* Beside the one it was made of, as paths in it are relative to that. */
static int render_config(struct drill_gateway *g, struct err *err)
{
    const char *config = g->options.config;
    CLEANUP(buf_release) struct buf text = { 0 };
    CLEANUP(buf_release) struct buf path = { 0 };

    if (!config || g->options.is_direct)
        return 0;
    const char *slash = strrchr(config, '/'), *dot = strrchr(config, '.');
    if (!dot || (slash && dot < slash))
        dot = "";
    if (drill_config_write(buf_str(&g->config_text), config, g->config.is_weir, &g->places, &text,
                           err) < 0)
        return -1;
    if (slash)
        buf_add(&path, config, (size_t)(slash - config) + 1);
    buf_addf(&path, ".weir-drill-%d%s", (int)getpid(), dot);
    g->rendered = mem_strdup(buf_cstr(&path));
    buf_clear(&g->config_text);
    buf_add_str(&g->config_text, buf_str(&text));
    return file_replace(g->rendered, buf_str(&text), 0600, err);
}

int drill_gateway_fill(struct drill_gateway *g, struct str text, struct buf *out, struct err *err)
{
    CLEANUP(buf_release) struct buf line = { 0 };
    struct drill_places places = g->places;

    if (str_find(text, STR("{text}"), 0) >= 0) {
        if (!g->rendered)
            return err_set(err, ERR_USAGE,
                           "{text} in a header is that of --config, which is not there");
        if (drill_config_line(buf_str(&g->config_text), &line, err) < 0)
            return -1;
        places.text = buf_str(&line);
    }
    return drill_fill(text, &places, g->rendered, out, err);
}

int drill_gateway_open(const struct drill_gateway_options *o, struct drill_gateway *ret,
                       struct err *err)
{
    *ret = (struct drill_gateway){ .options = *o };
    if (read_config(ret, err) < 0 || find_places(ret, err) < 0)
        return -1;
    return render_config(ret, err);
}

struct drill_afterwards drill_gateway_afterwards(const struct drill_gateway *g)
{
    return (struct drill_afterwards){
        {"rm", "-rf", "--", g->folder, g->rendered}
    };
}

/* --- processes --- */

/* The last line that says something. */
static void add_last_words(const char *path, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct str rest, line, last = STR("");
    struct err ignored;

    if (file_read(path, OUTPUT_BYTES_MAX, &text, &ignored) < 0)
        return;
    rest = buf_str(&text);
    while (str_split(&rest, '\n', &line))
        if (str_trim(line).len)
            last = str_trim(line);
    if (last.len)
        buf_addf(out, "; its last words: %.*s", STR_ARG(str_sub(last, 0, LAST_WORDS_MAX)));
}

static bool takes_connections(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool is_there = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    if (fd >= 0)
        close(fd);
    return is_there;
}

int drill_wait_ready(const struct drill_waiting *w, struct err *err)
{
    CLEANUP(buf_release) struct buf why = { 0 };

    for (int64_t left_us = w->patience_us; left_us > 0; left_us -= POLL_US) {
        if (takes_connections(w->port))
            return 0;
        if (subprocess_is_over(w->process)) {
            subprocess_describe(w->process, &why);
            add_last_words(w->output, &why);
            return err_set(err, ERR_USAGE, "%s has ended before it listened at port %u: %s",
                           w->what, w->port, buf_cstr(&why));
        }
        usleep(POLL_US);
        if (w->loop && loop_turn(w->loop, 0, err) < 0)
            return -1;
    }
    add_last_words(w->output, &why);
    return err_set(err, ERR_USAGE, "%s does not listen at port %u%s", w->what, w->port,
                   buf_cstr(&why));
}

/* Where programs look whom to trust: OpenSSL's (Python's ssl and Ruby among them) and Go's, node's,
 * Python's requests, curl's. */
static const char *const trust[] = { "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE",
                                     "CURL_CA_BUNDLE" };

/* Keys that a configuration of weir's wants from the environment: there are none to be had, and
 * none are needed. */
static const char *const *environment(struct drill_gateway *g)
{
    size_t count = g->config.environment.len, n = 0;
    const char **env = mem_calloc(count + ARRAY_LEN(trust) + 2, sizeof(*env));

    for (size_t i = 0; i < count; i++) {
        CLEANUP(buf_release) struct buf name = { 0 };
        buf_add_str(&name, g->config.environment.ptr[i]);
        if (!getenv(buf_cstr(&name)))
            env[n++] = drill_textf(g, "%s=drill-key", buf_cstr(&name));
    }
    for (size_t i = 0; g->places.ca && i < ARRAY_LEN(trust); i++)
        env[n++] = drill_textf(g, "%s=%s", trust[i], g->places.ca);
    env[n++] = drill_textf(g, "WEIR_DRILL_PORT=%u", g->places.port);
    return env;
}

int drill_gateway_start(struct drill_gateway *g, struct loop *loop, struct err *err)
{
    CLEANUP(buf_release) struct buf command = { 0 };
    const char *output = drill_textf(g, "%s/gateway.log", g->folder);
    const char *own[] = { g->options.self, "proxy", "run", g->rendered, NULL };
    const char *shell[] = { "sh", "-c", NULL, NULL };

    if (g->options.is_direct)
        return 0;
    if (g->options.command) {
        if (drill_fill(str_from(g->options.command), &g->places, g->rendered, &command, err) < 0)
            return -1;
        shell[2] = buf_cstr(&command);
    }
    const char *const *env = environment(g);
    struct drill_afterwards afterwards = drill_gateway_afterwards(g);
    struct subprocess_options o = {
        .argv = g->options.command ? shell : own,
        .env = env,
        .output = output,
        .afterwards = afterwards.argv,
    };
    int r = subprocess_start(&o, &g->process, err);
    free((void *)(uintptr_t)env);
    if (r < 0)
        return -1;
    struct drill_waiting waiting = { &g->process,    "the gateway",       output,
                                     g->places.port, g->options.ready_us, loop };
    return drill_wait_ready(&waiting, err);
}
