#include "config.h"

#include "bench/proxies.h"

#include <arpa/inet.h>
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#define START_SECONDS 30

void proxies_pin(int cpu)
{
    cpu_set_t set;

    if (cpu < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

/* --- configurations: %1$d our port, %2$d the origin's, %3$s the folder --- */

#define WEIR_CONF                                                                                  \
    "listen: {address: \"127.0.0.1:%1$d\", workers: 1, grace: 1s}\n"                               \
    "archive: {path: \"%3$s/archive\", %4$s}\n"                                                    \
    "limits: {connections: 20000}\n"                                                               \
    "upstreams:\n"                                                                                 \
    "  up: {url: \"http://127.0.0.1:%2$d\", api: openai, proxy: none, connections: 20000}\n"

static const char weir_conf[] = WEIR_CONF;

/* Every rule lets every call pass, and has to be asked about it. */
static const char weir_policy_conf[] = WEIR_CONF
    "  other: {url: \"http://127.0.0.1:%2$d\", api: openai, proxy: none, connections: 20000}\n"
    "policy:\n"
    "  mode: enforce\n"
    "  access:\n"
    "    - {deny: [\"*-preview\", \"gpt-4-32k*\"]}\n"
    "    - {teams: interns, deny: \"gpt-5*\", instead: gpt-5-mini}\n"
    "  limits:\n"
    "    - {app: \"*\", requests: 100000000/min, tokens: 1000000M/min, concurrent: 100000}\n"
    "  routes:\n"
    "    - name: chat\n"
    "      match: {api: openai}\n"
    "      targets: [{upstream: up, retries: 1}, {upstream: other}]\n"
    "      timeouts: {connect: 2s, head: 60s, first_token: 60s, idle: 60s, total: 10m}\n"
    "      breaker: {failures: 5, window: 30s, open: 2s}\n"
    "      slow: {factor: 3}\n"
    "budget: {month: 100000000 USD, hard: true}\n";

static const char haproxy_conf[] =
    "global\n  nbthread 1\n  maxconn 9000\n"
    "defaults\n  mode http\n  option http-no-delay\n  timeout connect 5s\n  timeout client 900s\n"
    "  timeout server 900s\n  http-reuse always\n"
    "frontend f\n  bind 127.0.0.1:%1$d\n  default_backend b\n"
    "backend b\n  server s 127.0.0.1:%2$d\n";

static const char nginx_conf[] =
    "worker_processes 1;\ndaemon off;\nmaster_process off;\npid %3$s/pid;\n"
    "error_log %3$s/error.log;\nevents { worker_connections 19000; }\nhttp {\n"
    "  access_log off;\n  keepalive_requests 1000000000;\n"
    "  client_body_temp_path %3$s/a; proxy_temp_path %3$s/b; fastcgi_temp_path %3$s/c;\n"
    "  uwsgi_temp_path %3$s/d; scgi_temp_path %3$s/e;\n"
    "  upstream o { server 127.0.0.1:%2$d; keepalive 512; keepalive_requests 1000000000; }\n"
    "  server { listen 127.0.0.1:%1$d backlog=4096; tcp_nodelay on; location / {\n"
    "    proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection \"\";\n"
    "    proxy_buffering off; proxy_read_timeout 900s; } }\n}\n";

struct recipe {
    const char *name, *conf, *archive;
    const char *program; /* what must be there; NULL = weir itself */
    const char *command; /* for the shell, placeholders as above; %5$s is weir, %6$s portkey */
    const char *records; /* in the folder: a file, or a folder of files */
};

#define NO_SEAL  ", segment: {bytes: 1TiB, age: 1d}" /* within the time of a run */
#define RELAXED  "durability: relaxed" NO_SEAL
#define BATCH    "durability: batch" NO_SEAL
#define STRICT   "durability: strict" NO_SEAL
#define ROTATING "durability: batch, segment: {bytes: 16MiB, age: 1d}"
#define JOURNAL  "archive/journal"
#define WEIR     "exec '%5$s' proxy run --log error '%3$s/conf'"
#define HAPROXY  "exec haproxy -q -db -f '%3$s/conf'"
#define NGINX    "exec nginx -p '%3$s' -c '%3$s/conf'"
#define MITMPROXY                                                                                  \
    "exec mitmdump -q --set confdir='%3$s' --listen-host 127.0.0.1 -p %1$d "                       \
    "--mode reverse:http://127.0.0.1:%2$d -w '%3$s/flows'"
#define PORTKEY                                                                                    \
    "exec node '%6$s/node_modules/@portkey-ai/gateway/build/start-server.js' --port=%1$d "         \
    "--headless"

static const struct recipe recipes[] = {
    [PROXY_DIRECT] = {"no proxy",        "",               "",       NULL,       "",        NULL   },
    [PROXY_WEIR_RELAXED] = { "weir, relaxed",  weir_conf,        RELAXED,  NULL,       WEIR,      JOURNAL},
    [PROXY_WEIR_BATCH] = { "weir, batch",    weir_conf,        BATCH,    NULL,       WEIR,      JOURNAL},
    [PROXY_WEIR_STRICT] = { "weir, strict",   weir_conf,        STRICT,   NULL,       WEIR,      JOURNAL},
    [PROXY_WEIR_POLICY] = { "weir, policy",   weir_policy_conf, BATCH,    NULL,       WEIR,      JOURNAL},
    [PROXY_HAPROXY] = { "HAProxy",        haproxy_conf,     "",       "haproxy",  HAPROXY,   NULL   },
    [PROXY_NGINX] = { "nginx",          nginx_conf,       "",       "nginx",    NGINX,     NULL   },
    [PROXY_MITMPROXY] = { "mitmproxy",      "",               "",       "mitmdump", MITMPROXY, "flows"},
    [PROXY_PORTKEY] = { "Portkey",        "",               "",       "node",     PORTKEY,   NULL   },
    [PROXY_WEIR_ROTATING] = { "weir, rotating", weir_conf,        ROTATING, NULL,       WEIR,      JOURNAL},
};
static_assert(ARRAY_LEN(recipes) == PROXY_KIND_COUNT, "a recipe for each kind");

const char *proxy_name(enum proxy_kind kind)
{
    return recipes[kind].name;
}

/* --- starting and stopping --- */

static int free_port(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    int r = bind(fd, (struct sockaddr *)&at, len) < 0 ||
            getsockname(fd, (struct sockaddr *)&at, &len) < 0;
    close(fd);
    return r ? 0 : ntohs(at.sin_port);
}

static bool can_connect(int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;

    close(fd);
    return ok;
}

static void portkey_folder(char *ret, size_t size)
{
    const char *build = getenv("abs_top_builddir");

    snprintf(ret, size, "%s/bench/peers", build ? build : ".");
}

static void weir_path(char *ret, size_t size)
{
    const char *build = getenv("abs_top_builddir");

    snprintf(ret, size, "%s/weir", build ? build : ".");
}

static bool is_there(struct proxy *p, const struct recipe *r)
{
    char command[512];

    if (r->program) {
        snprintf(command, sizeof(command), "command -v %s > /dev/null 2>&1", r->program);
        if (system(command) != 0)
            snprintf(p->missing, sizeof(p->missing), "%s is not installed", r->program);
    }
    if (p->kind == PROXY_PORTKEY && !p->missing[0]) {
        char folder[400];
        portkey_folder(folder, sizeof(folder));
        strcat(folder, "/node_modules/@portkey-ai/gateway");
        if (access(folder, R_OK) < 0)
            snprintf(p->missing, sizeof(p->missing), "npm could not install it");
    }
    return !p->missing[0];
}

/* The recipes' formats are constants of this file. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static bool write_conf(const struct proxy *p, const struct recipe *r, int origin_port)
{
    char path[300];

    snprintf(path, sizeof(path), "%s/conf", p->folder);
    FILE *f = fopen(path, "w");
    if (!f)
        return false;
    fprintf(f, r->conf, p->port, origin_port, p->folder, r->archive);
    return fclose(f) == 0;
}

static void become(const struct proxy *p, const struct recipe *r, int origin_port, int cpu)
{
    char command[1200], weir[300], portkey[300], log[300];

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    proxies_pin(cpu);
    weir_path(weir, sizeof(weir));
    portkey_folder(portkey, sizeof(portkey));
    snprintf(log, sizeof(log), "%s/log", p->folder);
    int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    snprintf(command, sizeof(command), r->command, p->port, origin_port, p->folder, "", weir,
             portkey);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}
#pragma GCC diagnostic pop

static bool wait_until_up(struct proxy *p)
{
    for (int i = 0; i < START_SECONDS * 20; i++) {
        int status;
        if (can_connect(p->port))
            return true;
        if (waitpid(p->pid, &status, WNOHANG) == p->pid) {
            p->pid = 0;
            break;
        }
        nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
    }
    snprintf(p->missing, sizeof(p->missing), "it did not start");
    return false;
}

bool proxy_start(struct proxy *p, enum proxy_kind kind, int origin_port, const char *path, int cpu)
{
    const struct recipe *r = &recipes[kind];
    bool is_weir = r->conf == weir_conf || r->conf == weir_policy_conf;

    *p = (struct proxy){ .kind = kind, .port = origin_port };
    snprintf(p->target, sizeof(p->target), "%s%s", is_weir ? "/up" : "", path);
    if (kind == PROXY_DIRECT)
        return true;
    if (!is_there(p, r))
        return false;
    snprintf(p->folder, sizeof(p->folder), "%s/weir-bench.XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    p->port = free_port();
    if (!mkdtemp(p->folder) || !p->port || !write_conf(p, r, origin_port)) {
        snprintf(p->missing, sizeof(p->missing), "no folder or no port for it");
        return false;
    }
    if (kind == PROXY_PORTKEY)
        snprintf(p->headers, sizeof(p->headers),
                 "x-portkey-provider: openai\r\nx-portkey-custom-host: http://127.0.0.1:%d/v1\r\n",
                 origin_port);
    p->pid = fork();
    if (p->pid == 0)
        become(p, r, origin_port, cpu);
    return wait_until_up(p);
}

void proxy_stop(struct proxy *p)
{
    char command[300];

    if (p->pid) {
        kill(-p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
    }
    p->pid = 0;
    if (!p->folder[0])
        return;
    snprintf(command, sizeof(command), "rm -rf '%s'", p->folder);
    if (system(command) != 0)
        fprintf(stderr, "bench: %s stays\n", p->folder);
}

/* --- what it uses --- */

static pid_t parent_of(pid_t pid)
{
    char path[64], text[512];

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = '\0';
    const char *end = strrchr(text, ')'); /* the name before it may hold anything */
    return end && strlen(end) > 4 ? (pid_t)atoi(end + 4) : 0;
}

static bool is_of(pid_t pid, pid_t ancestor)
{
    for (int i = 0; pid > 1 && i < 8; i++, pid = parent_of(pid))
        if (pid == ancestor)
            return true;
    return false;
}

/* Of all threads of a process: sum_exec_runtime, in ns. */
static uint64_t cpu_of(pid_t pid)
{
    char path[384];
    uint64_t sum = 0, one;

    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    for (struct dirent *d; tasks && (d = readdir(tasks));) {
        snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, d->d_name);
        FILE *f = d->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (f && fscanf(f, "%" SCNu64, &one) == 1)
            sum += one;
        if (f)
            fclose(f);
    }
    if (tasks)
        closedir(tasks);
    return sum;
}

static uint64_t cpu_of_tree(const struct proxy *p)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < PROXIES_TREE_MAX && p->tree[i]; i++)
        sum += cpu_of(p->tree[i]);
    return sum;
}

void proxy_cpu_begin(struct proxy *p)
{
    DIR *all = p->pid ? opendir("/proc") : NULL;
    size_t count = 0;

    memset(p->tree, 0, sizeof(p->tree));
    for (struct dirent *d; all && (d = readdir(all)) && count < PROXIES_TREE_MAX;) {
        pid_t pid = (pid_t)atoi(d->d_name);
        if (pid > 0 && is_of(pid, p->pid))
            p->tree[count++] = pid;
    }
    if (all)
        closedir(all);
    p->cpu_ns = cpu_of_tree(p);
}

uint64_t proxy_cpu_ns(const struct proxy *p)
{
    return cpu_of_tree(p) - p->cpu_ns;
}

static uint64_t rss_of(pid_t pid)
{
    char path[64];
    uint64_t size, pages = 0;

    snprintf(path, sizeof(path), "/proc/%d/statm", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    if (fscanf(f, "%" SCNu64 " %" SCNu64, &size, &pages) != 2)
        pages = 0;
    fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static pid_t largest(const struct proxy *p)
{
    pid_t pid = 0;
    uint64_t most = 0;

    for (size_t i = 0; i < PROXIES_TREE_MAX && p->tree[i]; i++) {
        uint64_t rss = rss_of(p->tree[i]);
        if (rss > most) {
            most = rss;
            pid = p->tree[i];
        }
    }
    return pid;
}

uint64_t proxy_rss(const struct proxy *p)
{
    return rss_of(largest(p));
}

static void for_files(const char *folder, void (*fn)(void *ctx, const char *path), void *ctx)
{
    char path[800];
    DIR *d = opendir(folder);

    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof(path), "%.500s/%s", folder, e->d_name);
        if (e->d_name[0] != '.')
            fn(ctx, path);
    }
    if (d)
        closedir(d);
}

static void count_one(void *ctx, const char *path)
{
    (void)path;
    (*(unsigned *)ctx)++;
}

unsigned proxy_fds(const struct proxy *p)
{
    char path[64];
    unsigned count = 0;

    snprintf(path, sizeof(path), "/proc/%d/fd", largest(p));
    for_files(path, count_one, &count);
    return count;
}

static void add_size(void *ctx, const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
        *(uint64_t *)ctx += (uint64_t)st.st_size;
}

uint64_t proxy_recorded(const struct proxy *p)
{
    char path[400];
    uint64_t sum = 0;

    if (!recipes[p->kind].records)
        return 0;
    snprintf(path, sizeof(path), "%s/%s", p->folder, recipes[p->kind].records);
    add_size(&sum, path);
    for_files(path, add_size, &sum);
    return sum;
}
