#include "config.h"

#include "cli/table_check.h"

#include <string.h>

#include "cli/parse.h"

/* In which table a break was found. */
struct place {
    const char *path;
    const char *option; /* NULL: the command's own row */
};

static int broken(const struct place *at, const char *what, struct err *err)
{
    if (at->option)
        return err_set(err, ERR_USAGE, "command '%s', option '%s': %s", at->path, at->option, what);
    return err_set(err, ERR_USAGE, "command '%s': %s", at->path, what);
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text > 126 || ((unsigned char)*text < 32 && *text != '\n'))
            return false;
    return true;
}

/* A line for --help: there, one line, no full stop. */
static int check_line(const struct place *at, const char *line, const char *missing,
                      struct err *err)
{
    size_t len = line ? strlen(line) : 0;

    if (len == 0)
        return broken(at, missing, err);
    if (line[len - 1] == '.' && !(len > 3 && memcmp(line + len - 3, "...", 3) == 0))
        return broken(at, "ends with a full stop", err);
    if (strchr(line, '\n') || !is_ascii(line))
        return broken(at, "is not one line of plain ASCII", err);
    return 0;
}

/* Lower-case words joined by '-'. */
static bool is_option_name(const char *name)
{
    if (!name || name[0] < 'a' || name[0] > 'z')
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name);
}

static int check_unlike(const struct place *at, const struct option_def *a,
                        const struct option_def *b, struct err *err)
{
    if (strcmp(a->name, b->name) == 0)
        return broken(at, "the name is there twice", err);
    if (a->letter && a->letter == b->letter)
        return broken(at, "the letter is there twice", err);
    return 0;
}

static int check_option(const char *path, const struct option_def *options, size_t index,
                        struct err *err)
{
    const struct option_def *def = &options[index];
    struct place at = { path, def->name ? def->name : "?" };

    if (!is_option_name(def->name))
        return broken(&at, "the name is not lower-case words joined by '-'", err);
    if (strcmp(def->name, "help") == 0 || def->letter == 'h')
        return broken(&at, "--help and -h are every command's already", err);
    if ((def->kind == OPTION_FLAG) != !def->value)
        return broken(&at, "a flag has no value's name, any other option has one", err);
    if (def->kind == OPTION_FLAG && (def->required || def->choices || def->is_path))
        return broken(&at, "a flag is neither required, chosen nor a path", err);
    for (size_t i = 0; i < index; i++)
        if (check_unlike(&at, &options[i], def, err) < 0)
            return -1;
    return check_line(&at, def->help, "the help is missing", err);
}

static int check_examples(const struct place *at, const struct example *examples, struct err *err)
{
    if (!examples || !examples->command)
        return broken(at, "has no example", err);
    for (; examples->command; examples++) {
        if (strncmp(examples->command, "weir ", 5) != 0 || !is_ascii(examples->command))
            return broken(at, "an example does not begin with 'weir'", err);
        if (check_line(at, examples->what, "an example does not say what it is for", err) < 0)
            return -1;
    }
    return 0;
}

static bool is_group(const struct command_group *groups, struct str path)
{
    for (; groups->path; groups++)
        if (str_eq(path, str_from(groups->path)))
            return true;
    return false;
}

/* Every proper beginning of the path must be a group. */
static int check_groups(const struct place *at, const struct command_group *groups, struct err *err)
{
    for (const char *blank = strchr(at->path, ' '); blank; blank = strchr(blank + 1, ' '))
        if (!is_group(groups, (struct str){ at->path, (size_t)(blank - at->path) }))
            return broken(at, "its group has no row in command_groups", err);
    if (is_group(groups, str_from(at->path)))
        return broken(at, "is a group as well", err);
    return 0;
}

static int check_command(const struct command *c, const struct command_group *groups,
                         struct err *err)
{
    struct place at = { c->path ? c->path : "?", NULL };

    if (!c->path || !c->run || !c->options || !c->operands)
        return broken(&at, "the path, operands, options or run is missing", err);
    if (c->operands_min < 0 || (c->operands_max >= 0 && c->operands_max < c->operands_min) ||
        (c->operands_max == 0) != (c->operands[0] == '\0'))
        return broken(&at, "the operands and their number disagree", err);
    if (option_count(c->options) > OPTIONS_MAX)
        return broken(&at, "has more options than OPTIONS_MAX", err);
    for (size_t i = 0; c->options[i].kind != OPTION_END; i++)
        if (check_option(c->path, c->options, i, err) < 0)
            return -1;
    if (!c->description || c->description[0] == '\0' || !is_ascii(c->description))
        return broken(&at, "the description is missing or not plain ASCII", err);
    if (check_line(&at, c->summary, "the summary is missing", err) < 0 ||
        check_examples(&at, c->examples, err) < 0)
        return -1;
    return check_groups(&at, groups, err);
}

int commands_check(const struct command *const *table, const struct command_group *groups,
                   struct err *err)
{
    for (size_t i = 0; table[i]; i++) {
        if (check_command(table[i], groups, err) < 0)
            return -1;
        for (size_t j = 0; j < i; j++)
            if (strcmp(table[i]->path, table[j]->path) == 0)
                return broken(&(struct place){ table[i]->path, NULL }, "is there twice", err);
    }
    return 0;
}
