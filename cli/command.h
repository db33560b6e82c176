/* command - one sub-command as data: parsed, helped, documented and completed from one table row.
 *
 * Each cli/cmd_*.c defines one or more `const struct command` and lists them in cli/commands.c.
 * Only cli/ prints and exits: data to stdout, chatter to stderr.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_FAILED = 1,   /* something went wrong */
    EXIT_USAGE = 2,    /* the command line or configuration is wrong */
    EXIT_FINDINGS = 3, /* it worked, and found what it looks for: damage, suspicious prices */
    /* Of migrate, whose callers act upon them. */
    EXIT_HOLD = 10,
    EXIT_DRIFT = 20,
    EXIT_ROLLED_BACK = 30,
    EXIT_NOT_READY = 40,
    EXIT_LOCKED = 50,
};

/* What a command returns beside the first four. */
struct exit_status {
    int status;
    const char *what; /* one sentence, no full stop; NULL ends */
};

enum option_kind {
    OPTION_FLAG,
    OPTION_VALUE, /* --name VALUE or --name=VALUE; the last one counts */
    OPTION_LIST,  /* may be repeated */
    OPTION_END,   /* ends the table */
};

struct option_def {
    enum option_kind kind;
    const char *name;           /* without dashes; "help" is every command's already */
    char letter;                /* 0 = none; 'h' is --help's */
    const char *value;          /* what the value is called: "DIR" */
    const char *help;           /* one sentence for --help and the manual, no full stop */
    const char *const *choices; /* NULL-terminated; NULL = any value */
    bool required;
    bool is_path;      /* completion offers files */
    bool is_stdout;    /* names the file that gets what else goes to standard output; '-' is that */
    bool is_private;   /* ... and that only its owner may read */
    bool names_format; /* its ending chooses --format where that is not given */
};

/* Runs as a test (tests/e2e/examples) through `sh -c`, in a folder that holds the files of
 * share/sample and `demo`, the archive made of them; it must exit 0 or 3. */
struct example {
    const char *command; /* "weir capture ls --archive demo" */
    const char *what;    /* one line, no full stop */
};

struct invocation;

struct command {
    const char *path;               /* "capture import", "analyze prices show" */
    const char *summary;            /* one line, no full stop */
    const char *operands;           /* "FILE...", "[FILE]", "" */
    int operands_min, operands_max; /* max -1 = any number */
    const struct option_def *options;
    const char *description; /* paragraphs of plain ASCII separated by blank lines; lines of one
                                that begins with a blank stay as they are */
    const char *findings;    /* what exit status 3 says; NULL = it is never returned */
    const struct exit_status *exits;          /* NULL = no others */
    const struct example *examples;           /* ends with command NULL */
    const char *see_also;                     /* "weir-archive(5), weir-capture-seal(1)" */
    int (*run)(const struct invocation *inv); /* returns an exit_code */
};

/* The first words of paths that several commands share. */
struct command_group {
    const char *path;    /* "capture", "analyze prices" */
    const char *summary; /* one line, no full stop */
};

/* Values of options given on the command line; NULL if not given.  The name must be in the table:
 * asking for another is a programming error. */
const char *invocation_get(const struct invocation *inv, const char *name);
bool invocation_has(const struct invocation *inv, const char *name);
/* All values of a repeatable option, NULL-terminated, never NULL. */
const char *const *invocation_list(const struct invocation *inv, const char *name);
size_t invocation_operand_count(const struct invocation *inv);
const char *invocation_operand(const struct invocation *inv, size_t index);

/* "weir capture import: <text>" on stderr; returns EXIT_USAGE for ERR_USAGE, else EXIT_FAILED. */
int cli_fail(const struct invocation *inv, const struct err *err);
/* Usage error with a hint at --help; returns EXIT_USAGE. */
int cli_usage(const struct invocation *inv, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Something the user must know though the command goes on (warnings, what was skipped): on stderr
 * with the command's name, always. */
void cli_note(const struct invocation *inv, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* How far the work has come: one line on stderr that the next one overwrites, only on a terminal.
 * cli_note and the end of the program clear it. */
void cli_progress(const struct invocation *inv, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Writes bytes to stdout; a failing stdout makes the command fail at exit. */
void cli_out(struct str bytes);
/* What was written so far is there for whoever reads: for commands that run on. */
void cli_out_flush(void);
/* A reader that went away (head, a pager) or a full disk: a command that prints long may stop. */
bool cli_out_failed(void);

enum cli_format {
    CLI_FORMAT_TEXT,
    CLI_FORMAT_JSON,
    CLI_FORMAT_CSV,
};
/* The choices of --format in that order, for OPTION_FORMAT; and the one that was given (TEXT if
 * none was). */
extern const char *const cli_formats[];
enum cli_format cli_format(const struct invocation *inv);

/* A row of an option table: OPTION(VALUE, .name = "from", .value = "TIME", .help = "..."). */
#define OPTION(kind_, ...)                                                                         \
    {                                                                                              \
        .kind = OPTION_##kind_, __VA_ARGS__                                                        \
    }
/* The options every table may share, to be spelled the same everywhere. */
#define OPTION_ARCHIVE                                                                             \
    {                                                                                              \
        .kind = OPTION_VALUE, .name = "archive", .letter = 'a', .value = "DIR",                    \
        .help = "the archive's folder", .required = true, .is_path = true                          \
    }
#define OPTION_COUNT_SHARED                                                                        \
    {                                                                                              \
        .kind = OPTION_FLAG, .name = "count-shared",                                               \
        .help = "count calls that several archives hold in each of them, instead of refusing"      \
    }
#define OPTION_FORMAT(choices_)                                                                    \
    {                                                                                              \
        .kind = OPTION_VALUE, .name = "format", .letter = 'f', .value = "FORMAT",                  \
        .help = "how to print the result", .choices = choices_                                     \
    }
/* Handled for the command: cli_out writes to that file, which appears when it is complete. */
#define OPTION_OUTPUT                                                                              \
    {                                                                                              \
        .kind = OPTION_VALUE, .name = "output", .letter = 'o', .value = "FILE",                    \
        .help = "write there instead of to standard output; its ending, such as .csv, names the "  \
                "format unless --format does",                                                     \
        .is_path = true, .is_stdout = true, .names_format = true                                   \
    }
#define OPTIONS_END                                                                                \
    {                                                                                              \
        .kind = OPTION_END                                                                         \
    }

extern const struct command *const commands[];      /* NULL-terminated, in the order of --help */
extern const struct command_group command_groups[]; /* ends with path NULL */

#endif
