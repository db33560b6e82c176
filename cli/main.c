#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/nearest.h"
#include "cli/command.h"
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/manual.h"
#include "cli/output.h"
#include "cli/parse.h"

#define PATH_WORDS_MAX 3 /* "analyze prices show" */

/* The words after "weir". */
struct words {
    size_t count;
    char *const *ptr;
};

/* A word of the command line that is asked for instead of a command. */
struct verb {
    const char *name;
    int (*run)(struct words after);
};

/* As many leading words as could be a path, joined by blanks. */
static void join_words(struct words w, struct buf *out)
{
    for (size_t i = 0; i < w.count && w.ptr[i][0] != '-'; i++)
        buf_addf(out, "%s%s", i ? " " : "", w.ptr[i]);
}

static int unknown_option(const char *word)
{
    static const char *const known[] = { "--help", "--version", NULL };
    const char *meant = nearest_of(str_from(word), known);

    if (meant)
        output_complain("unknown option '%s': did you mean %s?", word, meant);
    else
        output_complain("unknown option '%s': 'weir --help' lists the commands", word);
    return EXIT_USAGE;
}

/* The longest group that the path is of; 0 bytes if none. */
static struct str group_of(struct str path)
{
    struct str best = STR("");

    for (const struct command_group *g = command_groups; g->path; g++) {
        struct str group = str_from(g->path);
        if (group.len > best.len && str_starts_with(path, group) && path.len > group.len &&
            path.ptr[group.len] == ' ')
            best = group;
    }
    return best;
}

/* What is nearest among the paths of a group, of which only the rest is compared: words that are
 * right must not make others alike.  NULL if nothing is near. */
static const char *nearest_path(struct str group, struct str path)
{
    size_t skip = group.len ? group.len + 1 : 0;
    struct nearest nearest;

    nearest_init(&nearest, str_sub(path, skip, path.len));
    for (const struct command_group *g = command_groups; g->path; g++)
        if (strlen(g->path) > skip && str_starts_with(str_from(g->path), group))
            nearest_offer(&nearest, g->path + skip);
    for (const struct command *const *c = commands; *c; c++)
        if (strlen((*c)->path) > skip && str_starts_with(str_from((*c)->path), group))
            nearest_offer(&nearest, (*c)->path + skip);
    return nearest.best ? nearest.best - skip : NULL;
}

static int unknown_command(struct words w)
{
    CLEANUP(buf_release) struct buf all = { 0 }, path = { 0 };
    const char *meant = NULL;

    if (w.ptr[0][0] == '-')
        return unknown_option(w.ptr[0]);
    join_words(w, &all);
    struct str group = group_of(buf_str(&all));
    /* Words behind a mistyped command are its operands. */
    for (size_t n = w.count < PATH_WORDS_MAX ? w.count : PATH_WORDS_MAX; n > 0 && !meant; n--) {
        buf_clear(&path);
        join_words((struct words){ n, w.ptr }, &path);
        if (path.len <= group.len)
            break;
        meant = nearest_path(group_of(buf_str(&path)), buf_str(&path));
    }
    if (meant)
        output_complain("unknown command '%s': did you mean 'weir %s'?", buf_cstr(&all), meant);
    else
        output_complain("unknown command '%s': 'weir %.*s%s--help' lists them", buf_cstr(&all),
                        STR_ARG(group), group.len ? " " : "");
    return EXIT_USAGE;
}

static int run_help(struct words w)
{
    CLEANUP(buf_release) struct buf path = { 0 }, out = { 0 };
    bool bold = output_is_bold();
    size_t used;
    const struct command *command = command_find(commands, w.count, w.ptr, &used);

    join_words(w, &path);
    if (command)
        help_command(command, bold, &out);
    else if (path.len == 0)
        help_overview(bold, &out);
    else if (!help_group(buf_str(&path), bold, &out))
        return unknown_command(w);
    cli_out(buf_str(&out));
    return EXIT_OK;
}

static int run_version(struct words w)
{
    (void)w;
    cli_out(STR("weir " PACKAGE_VERSION "\n" WEIR_BUILT_WITH));
    return EXIT_OK;
}

/* The rest are for those who build weir: `make docs` and the tests. */
static int run_manual(struct words w)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    size_t used;
    const struct command *command = command_find(commands, w.count, w.ptr, &used);

    if (command)
        manual_command(command, &out);
    else if (w.count == 0)
        manual_overview(&out);
    else
        return unknown_command(w);
    cli_out(buf_str(&out));
    return EXIT_OK;
}

static int run_completion(struct words w)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    if (w.count != 1 || strcmp(w.ptr[0], "bash") != 0) {
        output_complain("--completion knows one shell: bash");
        return EXIT_USAGE;
    }
    completion_bash(&out);
    cli_out(buf_str(&out));
    return EXIT_OK;
}

static int run_commands(struct words w)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    (void)w;
    for (const struct command *const *c = commands; *c; c++)
        buf_addf(&out, "%s\n", (*c)->path);
    cli_out(buf_str(&out));
    return EXIT_OK;
}

static int run_examples(struct words w)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    (void)w;
    for (const struct command *const *c = commands; *c; c++)
        for (const struct example *e = (*c)->examples; e->command; e++)
            buf_addf(&out, "%s\n", e->command);
    cli_out(buf_str(&out));
    return EXIT_OK;
}

static const struct verb verbs[] = {
    {"help",          run_help      },
    { "--help",       run_help      },
    { "-h",           run_help      },
    { "--version",    run_version   },
    { "--man",        run_manual    },
    { "--completion", run_completion},
    { "--commands",   run_commands  },
    { "--examples",   run_examples  },
};

static int run_command(const struct command *command, struct words after)
{
    CLEANUP(invocation_release) struct invocation inv;
    struct err err;

    if (invocation_parse(command, after.count, after.ptr, &inv, &err) < 0)
        return cli_usage(&inv, "%s", err.text);
    if (inv.help) {
        CLEANUP(buf_release) struct buf out = { 0 };
        help_command(command, output_is_bold(), &out);
        cli_out(buf_str(&out));
        return EXIT_OK;
    }
    for (size_t i = 0; command->options[i].kind != OPTION_END; i++) {
        const struct option_def *def = &command->options[i];
        if (def->is_stdout && invocation_has(&inv, def->name) &&
            output_open(invocation_get(&inv, def->name), def->is_private, &err) < 0)
            return cli_fail(&inv, &err);
    }
    return command->run(&inv);
}

/* No command, or only the beginning of one: what could follow. */
static int run_incomplete(struct words w)
{
    CLEANUP(buf_release) struct buf path = { 0 }, out = { 0 };

    if (w.count > 0 && w.ptr[0][0] == '-')
        return unknown_command(w);
    join_words(w, &path);
    struct words asked = w;
    for (size_t i = 0; i < w.count; i++)
        if (strcmp(w.ptr[i], "--help") == 0 || strcmp(w.ptr[i], "-h") == 0)
            return run_help((asked.count = i, asked));
    if (path.len == 0)
        help_overview(false, &out);
    else if (!help_group(buf_str(&path), false, &out))
        return unknown_command(w);
    fwrite(out.ptr, 1, out.len, stderr);
    return EXIT_USAGE;
}

static int dispatch(struct words w)
{
    size_t used;

    for (size_t i = 0; w.count > 0 && i < ARRAY_LEN(verbs); i++)
        if (strcmp(w.ptr[0], verbs[i].name) == 0)
            return verbs[i].run((struct words){ w.count - 1, w.ptr + 1 });
    const struct command *command = command_find(commands, w.count, w.ptr, &used);
    if (!command)
        return run_incomplete(w);
    return run_command(command, (struct words){ w.count - used, w.ptr + used });
}

int main(int argc, char **argv)
{
    output_begin();
    struct words words = { argc > 1 ? (size_t)argc - 1 : 0, argv + 1 };
    return output_end(dispatch(words));
}
