#include "config.h"

#include "cli/completion.h"

#include <string.h>

#include "cli/command.h"

/* The script looks up words in three tables keyed by a command's path; bash does the rest. */
static const char script_head[] =
    "# bash completion for weir; made by `make docs` from the tables in cli/: change those.\n"
    "\n";

static const char script_tail[] =
    "_weir()\n"
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} path=weir word i\n"
    "    COMPREPLY=()\n"
    "    # bash takes '=' for a word of its own: --format=te is three words.\n"
    "    if [[ $cur == '=' ]]; then\n"
    "        cur=''\n"
    "    elif [[ $prev == '=' ]]; then\n"
    "        prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "    fi\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        [[ -n ${_weir_words[$path $word]+set} ]] || break\n"
    "        path+=\" $word\"\n"
    "    done\n"
    "    if [[ -n ${_weir_values[$path $prev]+set} ]]; then\n"
    "        word=${_weir_values[$path $prev]}\n"
    "        if [[ $word == '<file>' ]]; then\n"
    "            mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
    "        else\n"
    "            mapfile -t COMPREPLY < <(compgen -W \"$word\" -- \"$cur\")\n"
    "        fi\n"
    "    elif [[ $cur == -* || -z ${_weir_operands[$path]+set} ]]; then\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"${_weir_words[$path]}\" -- \"$cur\")\n"
    "    else\n"
    "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
    "    fi\n"
    "}\n"
    "complete -o filenames -F _weir weir\n";

/* The words that may follow a group: those of its commands and groups, each once, in order. */
static void add_group(const char *group, struct buf *out)
{
    CLEANUP(buf_release) struct buf words = { 0 };
    size_t len = strlen(group);

    for (const struct command *const *c = commands; *c; c++) {
        const char *path = (*c)->path;
        if (len && (strncmp(path, group, len) != 0 || path[len] != ' '))
            continue;
        CLEANUP(buf_release) struct buf word = { 0 };
        path += len + (len > 0);
        buf_addf(&word, " %.*s ", (int)strcspn(path, " "), path);
        if (str_find(buf_str(&words), buf_str(&word), 0) < 0)
            buf_add_str(&words, buf_str(&word));
    }
    buf_addf(out, "    ['weir%s%s']='%s%.*s'\n", len ? " " : "", group,
             len ? "--help" : "help --help --version", STR_ARG(buf_str(&words)));
}

static void add_option_words(const struct command *c, struct buf *out)
{
    buf_addf(out, "    ['weir %s']='", c->path);
    for (const struct option_def *def = c->options; def->kind != OPTION_END; def++)
        buf_addf(out, "--%s ", def->name);
    buf_add_text(out, "--help'\n");
}

/* What may follow an option that wants a value: its choices, or a file. */
static void add_option_values(const struct command *c, const struct option_def *def,
                              struct buf *out)
{
    CLEANUP(buf_release) struct buf value = { 0 };

    if (def->kind == OPTION_FLAG)
        return;
    if (def->is_path)
        buf_add_text(&value, "<file>");
    for (const char *const *choice = def->choices; choice && *choice; choice++)
        buf_addf(&value, "%s%s", value.len ? " " : "", *choice);
    buf_addf(out, "    ['weir %s --%s']='%s'\n", c->path, def->name, buf_cstr(&value));
    if (def->letter)
        buf_addf(out, "    ['weir %s -%c']='%s'\n", c->path, def->letter, buf_cstr(&value));
}

void completion_bash(struct buf *out)
{
    buf_add_text(out, script_head);
    buf_add_text(out, "declare -gA _weir_words=(\n");
    add_group("", out);
    for (const struct command_group *g = command_groups; g->path; g++)
        add_group(g->path, out);
    for (const struct command *const *c = commands; *c; c++)
        add_option_words(*c, out);
    buf_add_text(out, ")\ndeclare -gA _weir_values=(\n");
    for (const struct command *const *c = commands; *c; c++)
        for (const struct option_def *def = (*c)->options; def->kind != OPTION_END; def++)
            add_option_values(*c, def, out);
    buf_add_text(out, ")\ndeclare -gA _weir_operands=(\n");
    for (const struct command *const *c = commands; *c; c++)
        if (strstr((*c)->operands, "FILE"))
            buf_addf(out, "    ['weir %s']=1\n", (*c)->path);
    buf_add_text(out, ")\n\n");
    buf_add_text(out, script_tail);
}
