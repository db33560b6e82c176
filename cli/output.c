#include "config.h"

#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/parse.h"

#define PROGRESS_COLUMNS 79 /* a longer line would wrap and could not be overwritten */

const char *const cli_formats[] = {
    [CLI_FORMAT_TEXT] = "text",
    [CLI_FORMAT_JSON] = "json",
    [CLI_FORMAT_CSV] = "csv",
    NULL,
};

static int stdout_errno;   /* the first failure to write to stdout */
static bool dies_of_pipe;  /* SIGPIPE was not ignored when we were started */
static bool progress_open; /* a progress line stands on the terminal */

/* The file that stands in for stdout; path NULL = none. */
static struct {
    const char *path;
    struct buf temp; /* its name until it is whole; empty = written in place */
    mode_t mode;
} target;

void output_begin(void)
{
    /* Read-only: what is written to a stdout that was closed must fail, not vanish. */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDONLY) < 0)
            abort();
    dies_of_pipe = signal(SIGPIPE, SIG_IGN) != SIG_IGN;
    signal(SIGXFSZ,
           SIG_IGN); /* a limit on file sizes is an error of the write, as a full disk is */
}

/* Of signals that end the program: leaves no half file behind. */
static void die_without_file(int signal_number)
{
    unlink(target.temp.ptr);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void watch_signals(void (*handler)(int))
{
    static const int ends[] = { SIGINT, SIGTERM, SIGHUP };

    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (signal(ends[i], handler) == SIG_IGN)
            signal(ends[i], SIG_IGN); /* as nohup(1) wants it */
}

static int open_temp(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) + 1 : 0;

    buf_addf(&target.temp, "%.*s.%s.XXXXXX.tmp", (int)folder, path, path + folder);
    buf_cstr(&target.temp);
    watch_signals(die_without_file);
    int fd = mkostemps(target.temp.ptr, 4, O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, "cannot write '%s': cannot make a file beside it", path);
    return fd;
}

int output_open(const char *path, bool is_private, struct err *err)
{
    struct stat st;
    bool is_there = stat(path, &st) == 0;

    if (strcmp(path, "-") == 0)
        return 0;
    if (is_there && S_ISDIR(st.st_mode))
        return err_set(err, ERR_USAGE, "cannot write '%s': it is a folder; name a file in it",
                       path);
    bool in_place = is_there && !S_ISREG(st.st_mode);
    int fd = in_place ? open(path, O_WRONLY | O_CLOEXEC) : open_temp(path, err);
    if (fd < 0)
        return in_place ? err_sys(err, "cannot write '%s'", path) : -1;
    if (dup2(fd, STDOUT_FILENO) < 0)
        abort();
    close(fd);
    target.path = path;
    target.mode = is_private ? 0600 : 0644;
    return 0;
}

static void clear_progress(void)
{
    if (progress_open)
        fputs("\r\033[K", stderr);
    progress_open = false;
}

/* A line break that our own messages make: what follows is indented, as under a caret. */
static bool is_own_break(const struct buf *line, size_t at)
{
    return line->ptr[at] == '\n' && at + 2 < line->len && memcmp(line->ptr + at, "\n  ", 3) == 0;
}

/* "weir capture import: <text>".  Text may quote files: a terminal must not obey what they say. */
static void make_line(struct buf *line, const char *who, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));
static void make_line(struct buf *line, const char *who, const char *fmt, va_list args)
{
    buf_addf(line, "weir%s%s: ", *who ? " " : "", who);
    buf_addvf(line, fmt, args);
    for (size_t i = 0; i < line->len; i++)
        if (((unsigned char)line->ptr[i] < 32 && !is_own_break(line, i)) || line->ptr[i] == 127)
            line->ptr[i] = '?';
}

static void complain(const char *who, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));
static void complain(const char *who, const char *fmt, va_list args)
{
    CLEANUP(buf_release) struct buf line = { 0 };

    clear_progress();
    make_line(&line, who, fmt, args);
    buf_add_byte(&line, '\n');
    fwrite(line.ptr, 1, line.len, stderr);
}

/* As if the signal had come with the write: shells then know that nothing went wrong, and say
 * nothing.  Coming only now, it leaves no half-written file behind. */
static void die_of_pipe(void)
{
    fflush(stderr);
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
}

/* Gives the file its name if all went well; what it replaces stays otherwise. */
static void end_file(int exit_code)
{
    if (target.temp.len == 0)
        return;
    bool is_good = !stdout_errno && exit_code != EXIT_FAILED && exit_code != EXIT_USAGE;
    watch_signals(SIG_IGN); /* an interrupt waits until the file is whole, or gone */
    if (is_good && (fchmod(STDOUT_FILENO, target.mode) < 0 || fsync(STDOUT_FILENO) < 0 ||
                    rename(target.temp.ptr, target.path) < 0))
        stdout_errno = errno;
    if (!is_good || stdout_errno)
        unlink(target.temp.ptr);
    buf_release(&target.temp);
}

int output_end(int exit_code)
{
    clear_progress();
    if (fflush(stdout) != 0 && !stdout_errno)
        stdout_errno = errno;
    end_file(exit_code);
    /* Some file systems tell of a failed write only here. */
    if (close(STDOUT_FILENO) < 0 && !stdout_errno)
        stdout_errno = errno;
    if (!stdout_errno)
        return exit_code;
    if (stdout_errno == EPIPE && dies_of_pipe)
        die_of_pipe();
    if (target.path)
        output_complain("cannot write '%s': %s", target.path, strerror(stdout_errno));
    else
        output_complain("cannot write to standard output: %s", strerror(stdout_errno));
    return exit_code == EXIT_OK || exit_code == EXIT_FINDINGS ? EXIT_FAILED : exit_code;
}

void output_complain(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    complain("", fmt, args);
    va_end(args);
}

bool output_is_bold(void)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

int cli_fail(const struct invocation *inv, const struct err *err)
{
    cli_note(inv, "%s", err->text);
    return err->code == ERR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

int cli_usage(const struct invocation *inv, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    complain(inv->command->path, fmt, args);
    va_end(args);
    fprintf(stderr, "Try 'weir %s --help'.\n", inv->command->path);
    return EXIT_USAGE;
}

void cli_note(const struct invocation *inv, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    complain(inv->command->path, fmt, args);
    va_end(args);
}

void cli_progress(const struct invocation *inv, const char *fmt, ...)
{
    CLEANUP(buf_release) struct buf line = { 0 };
    va_list args;

    if (!isatty(STDERR_FILENO))
        return;
    va_start(args, fmt);
    make_line(&line, inv->command->path, fmt, args);
    va_end(args);
    fprintf(stderr, "\r\033[K%.*s", PROGRESS_COLUMNS, buf_cstr(&line));
    progress_open = true;
}

void cli_out(struct str bytes)
{
    if (stdout_errno || bytes.len == 0)
        return;
    if (fwrite(bytes.ptr, 1, bytes.len, stdout) < bytes.len)
        stdout_errno = errno;
}

void cli_out_flush(void)
{
    if (!stdout_errno && fflush(stdout) != 0)
        stdout_errno = errno;
}

bool cli_out_failed(void)
{
    return stdout_errno != 0;
}

enum cli_format cli_format(const struct invocation *inv)
{
    const char *name = invocation_get(inv, "format");

    for (int i = 0; name && cli_formats[i]; i++)
        if (strcmp(cli_formats[i], name) == 0)
            return (enum cli_format)i;
    return CLI_FORMAT_TEXT;
}
