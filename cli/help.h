/* help - what --help prints, from the command tables, at most HELP_COLUMNS wide. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stdbool.h>

#include "base/buf.h"
#include "cli/command.h"

#define HELP_COLUMNS 80

/* Every command with its summary. */
void help_overview(bool bold, struct buf *out);
/* The group's commands; false if no group is called that. */
bool help_group(struct str path, bool bold, struct buf *out);
void help_command(const struct command *command, bool bold, struct buf *out);

/* Appends text's words in lines of at most width columns, each after the first indented; column is
 * where the first begins. */
void help_wrap(struct str text, size_t indent, size_t column, size_t width, struct buf *out);
/* Descriptions are paragraphs separated by blank lines; one that begins with a blank is literal:
 * its lines stay as they are. */
struct help_paragraph {
    struct str text;
    bool is_literal;
};
/* Splits off the next one; false at the end. */
bool help_paragraph(struct str *rest, struct help_paragraph *ret);

#endif
