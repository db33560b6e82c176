#include "config.h"

#include "migrate/actuator_tools.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/subprocess.h"
#include "base/vec.h"
#include "capture/scrub.h"

#define SLICE_US      50000   /* between looks at how much a program has written */
#define GRACE_US      500000  /* from SIGTERM to SIGKILL */
#define TIMEOUT_LEAST 1000000 /* us: when little is left, a program has that long */
#define TAIL_BYTES    240

/* Files without a name, which die with us: the program opens them by their path in /proc. */
struct memory_file {
    int fd;
    char path[40];
};

static void memory_file_close(struct memory_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
}

static int memory_file_open(struct memory_file *f, struct err *err)
{
    f->fd = memfd_create("weir", MFD_CLOEXEC);
    if (f->fd < 0)
        return err_sys(err, "cannot make a file in memory");
    snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
    return 0;
}

static size_t memory_file_bytes(const struct memory_file *f)
{
    struct stat st;

    return fstat(f->fd, &st) == 0 && st.st_size > 0 ? (size_t)st.st_size : 0;
}

static int memory_file_read(const struct memory_file *f, struct buf *ret, struct err *err)
{
    size_t len = memory_file_bytes(f);

    buf_clear(ret);
    if (len && fd_read_at(f->fd, buf_reserve(ret, len), len, 0, err) != 1)
        return err_set(err, ERR_SYS, "cannot read what it wrote");
    ret->len = len;
    buf_cstr(ret);
    return 0;
}

void actuator_outcome_release(struct actuator_outcome *o)
{
    buf_release(&o->output);
    buf_release(&o->complaints);
}

/* --- running --- */

struct run {
    struct memory_file input, output, complaints;
    struct subprocess p;
    size_t max_bytes;
};

static void run_release(struct run *r)
{
    memory_file_close(&r->input);
    memory_file_close(&r->output);
    memory_file_close(&r->complaints);
}
DEFINE_CLEANUP_VALUE(struct run, run_release)

/* A list, or a path alone; anything else is for a shell. */
static bool is_program(struct str command)
{
    bool is_path = str_find_char(command, '/', 0) >= 0;

    if (str_find_char(command, '\n', 0) >= 0)
        return true;
    for (size_t i = 0; i < command.len && is_path; i++) {
        unsigned char c = (unsigned char)command.ptr[i];
        is_path = isalnum(c) || c >= 0x80 || strchr("/._-+@", c);
    }
    return is_path;
}

static int start(const struct actuator *a, const struct actuator_program *p, struct run *r,
                 struct err *err)
{
    CLEANUP(buf_release) struct buf copy = { 0 }, program = { 0 };
    VEC(const char *) argv = { 0 };
    bool is_list = is_program(p->command);
    struct str line;

    if (!is_list) {
        vec_push(&argv, "/bin/sh");
        vec_push(&argv, "-c");
    }
    buf_add_str(&copy, p->command);
    struct str rest = str_from(buf_cstr(&copy));
    while (str_split(&rest, '\n', &line)) {
        copy.ptr[line.ptr - copy.ptr + (ptrdiff_t)line.len] = '\0';
        vec_push(&argv, line.ptr);
    }
    vec_push(&argv, NULL);
    /* A program beside the plan: "./switch.sh". */
    if (is_list && a->folder.len && argv.ptr[0][0] != '/' && strchr(argv.ptr[0], '/')) {
        buf_addf(&program, "%.*s/%s", STR_ARG(a->folder), argv.ptr[0]);
        argv.ptr[0] = buf_cstr(&program);
    }
    struct subprocess_options o = {
        .argv = argv.ptr,
        .output = r->output.path,
        .complaints = r->complaints.path,
        .input = r->input.path,
    };
    int failed = subprocess_start(&o, &r->p, err);
    vec_release(&argv);
    return failed;
}

static bool has_said_too_much(const struct run *r)
{
    return memory_file_bytes(&r->output) > r->max_bytes ||
           memory_file_bytes(&r->complaints) > r->max_bytes;
}

/* For so long at most; the kernel measures the slices, hence no clock. */
static void wait_for(struct run *r, int64_t us)
{
    int fd = (int)syscall(SYS_pidfd_open, r->p.pid, 0);
    struct pollfd p = { .fd = fd, .events = POLLIN };

    while (us > 0 && !subprocess_is_over(&r->p) && !has_said_too_much(r)) {
        int64_t slice = fd < 0 ? SLICE_US / 10 : us < SLICE_US ? us : SLICE_US;
        poll(&p, 1, (int)((slice + 999) / 1000));
        us -= slice;
    }
    subprocess_is_over(&r->p);
    if (fd >= 0)
        close(fd);
}

static int64_t time_for(const struct actuator *a, const struct actuator_wait *wait)
{
    struct err ignored;
    int64_t us;

    if (actuator_duration(a, "timeout", &us, &ignored) < 0 || !us)
        us = ACTUATOR_TIMEOUT_US;
    int64_t left = wait ? wait->until_us - wait->now_us(wait->ctx) : us;
    if (left < TIMEOUT_LEAST)
        left = TIMEOUT_LEAST;
    return left < us ? left : us;
}

static int conclude(const struct actuator_program *p, struct run *r, int64_t us,
                    struct actuator_outcome *ret, struct err *err)
{
    CLEANUP(buf_release) struct buf how = { 0 };

    if (has_said_too_much(r)) {
        subprocess_stop(&r->p, 0);
        return err_set(err, ERR_LIMIT, "'%s' wrote more than %zu bytes", p->setting, r->max_bytes);
    }
    if (!r->p.is_over) {
        subprocess_stop(&r->p, GRACE_US);
        return err_set(err, ERR_SYS, "'%s' did not end within %" PRId64 " ms and was stopped",
                       p->setting, us / 1000);
    }
    if (!WIFEXITED(r->p.status)) {
        subprocess_describe(&r->p, &how);
        return err_set(err, ERR_SYS, "'%s' ended by %s", p->setting, buf_cstr(&how));
    }
    ret->status = WEXITSTATUS(r->p.status);
    if (memory_file_read(&r->output, &ret->output, err) < 0)
        return -1;
    return memory_file_read(&r->complaints, &ret->complaints, err);
}

int actuator_run(const struct actuator *a, const struct actuator_program *p,
                 const struct actuator_wait *wait, struct actuator_outcome *ret, struct err *err)
{
    CLEANUP(run_release)
    struct run r = { .input.fd = -1, .output.fd = -1, .complaints.fd = -1 };
    int64_t us = time_for(a, wait);

    r.max_bytes = p->output_bytes_max ? p->output_bytes_max : ACTUATOR_OUTPUT_BYTES;
    if (memory_file_open(&r.input, err) < 0 || memory_file_open(&r.output, err) < 0 ||
        memory_file_open(&r.complaints, err) < 0 || fd_write_all(r.input.fd, p->input, err) < 0 ||
        start(a, p, &r, err) < 0)
        return actuator_wrap(a, err);
    wait_for(&r, us);
    return conclude(p, &r, us, ret, err) < 0 ? actuator_wrap(a, err) : 0;
}

/* --- what it complains of --- */

/* The last lines in one, without control characters. */
static void add_tail(struct str text, struct buf *out)
{
    text = str_trim(text);
    if (text.len > TAIL_BYTES)
        text = str_sub(text, text.len - TAIL_BYTES, TAIL_BYTES);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        buf_add_byte(out, (char)(c < ' ' || c == 127 ? ' ' : c));
    }
}

int actuator_complain(const struct actuator *a, const char *setting,
                      const struct actuator_outcome *o, struct err *err)
{
    CLEANUP(scrub_free) struct scrub *rules = scrub_new();
    CLEANUP(buf_release) struct buf tail = { 0 }, clean = { 0 };
    struct err ignored;

    add_tail(buf_str(str_trim(buf_str(&o->complaints)).len ? &o->complaints : &o->output), &tail);
    if (scrub_add_shipped(rules, STR("api_key"), SCRUB_HEADS, &ignored) == 0 &&
        scrub_text(rules, buf_str(&tail), &clean, &ignored) == SCRUB_SAME)
        buf_add_str(&clean, buf_str(&tail));
    return actuator_fail(a, err, ERR_SYS, "'%s' ended with exit status %d%s%.*s", setting,
                         o->status, clean.len ? ": " : "", STR_ARG(buf_str(&clean)));
}

int actuator_command(const struct actuator *a, const char *setting, const char *otherwise,
                     const struct actuator_wait *wait, struct err *err)
{
    CLEANUP(actuator_outcome_release) struct actuator_outcome o = { 0 };
    struct actuator_program p = { .setting = setting, .command = actuator_setting(a, setting) };

    if (!p.command.len)
        p.command = str_from(otherwise);
    if (!p.command.len)
        return 0;
    if (actuator_run(a, &p, wait, &o, err) < 0)
        return -1;
    return o.status ? actuator_complain(a, setting, &o, err) : 0;
}
