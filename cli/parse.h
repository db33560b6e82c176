/* parse - a command line held against the tables: which command, which options, which operands.
 *
 * Options and operands may be mixed; `--` ends the options; `-` alone is an operand.  Strings are
 * argv's own.
 */
#ifndef CLI_PARSE_H
#define CLI_PARSE_H

#include "base/mem.h"
#include "cli/command.h"

#define OPTIONS_MAX 32 /* rows of one command's table */

struct option_uses {
    const char **values; /* as given, with a NULL past the end; "" for each use of a flag */
    size_t len;
};

struct invocation {
    const struct command *command;
    struct option_uses options[OPTIONS_MAX]; /* one per row of the table */
    const char **operands;
    size_t operand_count;
    bool help; /* --help or -h: nothing was checked after it */
};

/* The command whose path is the longest run of leading words; *ret_used is how many it took.  NULL
 * if none is. */
const struct command *command_find(const struct command *const *table, size_t count,
                                   char *const *words, size_t *ret_used);
/* Parses what follows the command's own words.  ERR_USAGE says what is wrong and what was probably
 * meant.  Release *ret in either case. */
int invocation_parse(const struct command *command, size_t count, char *const *words,
                     struct invocation *ret, struct err *err);
void invocation_release(struct invocation *inv);
DEFINE_CLEANUP_VALUE(struct invocation, invocation_release)

/* The rows of a table, without OPTION_END. */
size_t option_count(const struct option_def *options);

#endif
