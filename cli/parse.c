#include "config.h"

#include "cli/parse.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/nearest.h"

size_t option_count(const struct option_def *options)
{
    size_t n = 0;

    while (options[n].kind != OPTION_END)
        n++;
    return n;
}

/* How many leading words are the path's, all of it; 0 if they differ. */
static size_t words_of_path(const char *path, size_t count, char *const *words)
{
    struct str rest = str_from(path), head;
    size_t used = 0;

    while (str_split(&rest, ' ', &head)) {
        if (used == count || !str_eq(head, str_from(words[used])))
            return 0;
        used++;
    }
    return used;
}

const struct command *command_find(const struct command *const *table, size_t count,
                                   char *const *words, size_t *ret_used)
{
    const struct command *best = NULL;
    size_t best_used = 0;

    for (; *table; table++) {
        size_t used = words_of_path((*table)->path, count, words);
        if (used > best_used) {
            best = *table;
            best_used = used;
        }
    }
    *ret_used = best_used;
    return best;
}

/* The words still to be read. */
struct reader {
    const struct command *command;
    struct invocation *inv;
    size_t count, next;
    char *const *words;
};

static void add_value(struct option_uses *uses, const char *value)
{
    uses->values = mem_realloc(uses->values, (uses->len + 2) * sizeof(*uses->values));
    uses->values[uses->len++] = value;
    uses->values[uses->len] = NULL;
}

static void add_operand(struct invocation *inv, const char *word)
{
    inv->operands = mem_realloc(inv->operands, (inv->operand_count + 1) * sizeof(*inv->operands));
    inv->operands[inv->operand_count++] = word;
}

static int check_choice(const struct option_def *def, const char *value, struct err *err)
{
    CLEANUP(buf_release) struct buf list = { 0 };

    if (!def->choices)
        return 0;
    for (const char *const *choice = def->choices; *choice; choice++) {
        if (strcmp(*choice, value) == 0)
            return 0;
        buf_addf(&list, "%s%s", list.len ? ", " : "", *choice);
    }
    return err_set(err, ERR_USAGE, "--%s cannot be '%s': choose one of %s", def->name, value,
                   buf_cstr(&list));
}

/* attached is the text after '=' or the letter; NULL if there is none. */
static int take_option(struct reader *r, const struct option_def *def, const char *attached,
                       struct err *err)
{
    struct option_uses *uses = &r->inv->options[def - r->command->options];

    if (def->kind == OPTION_FLAG) {
        if (attached)
            return err_set(err, ERR_USAGE, "--%s takes no value", def->name);
        add_value(uses, "");
        return 0;
    }
    if (!attached) {
        if (r->next == r->count)
            return err_set(err, ERR_USAGE, "--%s needs a value: --%s %s", def->name, def->name,
                           def->value);
        attached = r->words[r->next++];
    }
    if (check_choice(def, attached, err) < 0)
        return -1;
    add_value(uses, attached);
    return 0;
}

static int unknown_option(const struct reader *r, struct str name, struct err *err)
{
    struct nearest nearest;

    nearest_init(&nearest, name);
    for (const struct option_def *def = r->command->options; def->kind != OPTION_END; def++)
        nearest_offer(&nearest, def->name);
    nearest_offer(&nearest, "help");
    if (nearest.best)
        return err_set(err, ERR_USAGE, "unknown option '--%.*s': did you mean --%s?", STR_ARG(name),
                       nearest.best);
    return err_set(err, ERR_USAGE, "unknown option '--%.*s'", STR_ARG(name));
}

/* text follows the two dashes. */
static int read_long(struct reader *r, const char *text, struct err *err)
{
    const char *equals = strchr(text, '=');
    struct str name = equals ? (struct str){ text, (size_t)(equals - text) } : str_from(text);

    if (str_eq(name, STR("help"))) {
        r->inv->help = true;
        return 0;
    }
    for (const struct option_def *def = r->command->options; def->kind != OPTION_END; def++)
        if (str_eq(name, str_from(def->name)))
            return take_option(r, def, equals ? equals + 1 : NULL, err);
    return unknown_option(r, name, err);
}

static const struct option_def *find_letter(const struct command *command, char letter)
{
    for (const struct option_def *def = command->options; def->kind != OPTION_END; def++)
        if (def->letter == letter)
            return def;
    return NULL;
}

/* text follows the dash: flags may be joined (-vq), a value may follow its letter (-aDIR). */
static int read_letters(struct reader *r, const char *text, struct err *err)
{
    for (; *text; text++) {
        if (*text == 'h') {
            r->inv->help = true;
            return 0;
        }
        const struct option_def *def = find_letter(r->command, *text);
        if (!def)
            return err_set(err, ERR_USAGE, "unknown option '-%c'", *text);
        if (def->kind != OPTION_FLAG)
            return take_option(r, def, text[1] ? text + 1 : NULL, err);
        if (take_option(r, def, NULL, err) < 0)
            return -1;
    }
    return 0;
}

static int check_required(const struct invocation *inv, struct err *err)
{
    const struct option_def *options = inv->command->options;

    for (size_t i = 0; options[i].kind != OPTION_END; i++)
        if (options[i].required && inv->options[i].len == 0)
            return err_set(err, ERR_USAGE, "--%s %s is missing: %s", options[i].name,
                           options[i].value, options[i].help);
    return 0;
}

static const struct option_def *find_name(const struct option_def *options, const char *name)
{
    for (; options->kind != OPTION_END; options++)
        if (strcmp(options->name, name) == 0)
            return options;
    return NULL;
}

/* What a file's name says of its format: letters behind the last dot; "txt" is "text". */
static struct str ending_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    struct str ending = dot ? str_from(dot + 1) : STR("");

    for (size_t i = 0; i < ending.len; i++)
        if (!((ending.ptr[i] | 32) >= 'a' && (ending.ptr[i] | 32) <= 'z'))
            return STR("");
    return str_ieq(ending, STR("txt")) ? STR("text") : ending;
}

/* The format that the ending of --output names, if --format does not. */
static int take_ending(struct invocation *inv, struct err *err)
{
    const struct option_def *options = inv->command->options;
    const struct option_def *output = find_name(options, "output");
    const struct option_def *format = find_name(options, "format");

    if (!output || !format || !output->names_format || inv->options[format - options].len)
        return 0;
    const struct option_uses *uses = &inv->options[output - options];
    struct str ending = ending_of(uses->len ? uses->values[uses->len - 1] : "");
    if (ending.len == 0)
        return 0;
    for (const char *const *choice = format->choices; *choice; choice++) {
        if (!str_ieq(ending, str_from(*choice)))
            continue;
        add_value(&inv->options[format - options], *choice);
        return 0;
    }
    return err_set(err, ERR_USAGE, "--output '%s': its ending names no format: say --format",
                   uses->values[uses->len - 1]);
}

static int check_operands(const struct invocation *inv, struct err *err)
{
    const struct command *c = inv->command;

    if (inv->operand_count < (size_t)c->operands_min && c->operands_min > 1)
        return err_set(err, ERR_USAGE, "%s: %zu of %d were given", c->operands, inv->operand_count,
                       c->operands_min);
    if (inv->operand_count < (size_t)c->operands_min)
        return err_set(err, ERR_USAGE, "%s is missing", c->operands);
    if (c->operands_max >= 0 && inv->operand_count > (size_t)c->operands_max)
        return err_set(err, ERR_USAGE, "'%s' is one argument too many",
                       inv->operands[c->operands_max]);
    return 0;
}

int invocation_parse(const struct command *command, size_t count, char *const *words,
                     struct invocation *ret, struct err *err)
{
    assert(option_count(command->options) <= OPTIONS_MAX);
    *ret = (struct invocation){ .command = command };
    struct reader r = { .command = command, .inv = ret, .count = count, .words = words };
    bool only_operands = false;
    int status = 0;

    while (status == 0 && !ret->help && r.next < count) {
        const char *word = words[r.next++];
        if (only_operands || word[0] != '-' || word[1] == '\0')
            add_operand(ret, word);
        else if (strcmp(word, "--") == 0)
            only_operands = true;
        else
            status =
                word[1] == '-' ? read_long(&r, word + 2, err) : read_letters(&r, word + 1, err);
    }
    if (status < 0 || ret->help)
        return status;
    if (take_ending(ret, err) < 0 || check_required(ret, err) < 0)
        return -1;
    return check_operands(ret, err);
}

void invocation_release(struct invocation *inv)
{
    for (size_t i = 0; i < OPTIONS_MAX; i++)
        free(inv->options[i].values);
    free(inv->operands);
    *inv = (struct invocation){ 0 };
}

static const struct option_uses *uses_of(const struct invocation *inv, const char *name)
{
    const struct option_def *options = inv->command->options;

    for (size_t i = 0; options[i].kind != OPTION_END; i++)
        if (strcmp(options[i].name, name) == 0)
            return &inv->options[i];
    assert(false && "an option that is in the command's table");
    return NULL;
}

const char *invocation_get(const struct invocation *inv, const char *name)
{
    const struct option_uses *uses = uses_of(inv, name);

    return uses->len ? uses->values[uses->len - 1] : NULL;
}

bool invocation_has(const struct invocation *inv, const char *name)
{
    return uses_of(inv, name)->len > 0;
}

const char *const *invocation_list(const struct invocation *inv, const char *name)
{
    static const char *const none[] = { NULL };
    const struct option_uses *uses = uses_of(inv, name);

    return uses->len ? uses->values : none;
}

size_t invocation_operand_count(const struct invocation *inv)
{
    return inv->operand_count;
}

const char *invocation_operand(const struct invocation *inv, size_t index)
{
    assert(index < inv->operand_count);
    return inv->operands[index];
}
