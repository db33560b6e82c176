#include "config.h"

#include "cli/manual.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "cli/help.h"
#include "cli/migration.h"
#include "cli/parse.h"

#define SOURCE_COLUMNS 72 /* leaves room for escapes */

/* Escapes for roff: backslashes, a control character that begins a line, and dashes that begin a
 * word, which would be set as hyphens and not be found by who copies an option. */
static void add_text(struct str text, struct buf *out)
{
    bool line_begins = true, in_option = false;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool word_begins = i == 0 || strchr(" \n([='", text.ptr[i - 1]);
        if (word_begins)
            in_option = c == '-';
        if (line_begins && (c == '.' || c == '\''))
            buf_add_text(out, "\\&");
        line_begins = c == '\n';
        if (c == '\\')
            buf_add_text(out, "\\e");
        else if (c == '-' && in_option)
            buf_add_text(out, "\\-");
        else
            buf_add_byte(out, c);
    }
}

/* Text lines; mdoc wants each sentence to begin one of its own and none longer than 80 bytes. */
static void add_prose(struct str text, struct buf *out)
{
    struct str rest = text;

    while (rest.len) {
        ptrdiff_t end = -1;
        for (size_t i = 0; end < 0 && i + 1 < rest.len; i++)
            if (strchr(".?!", rest.ptr[i]) && (rest.ptr[i + 1] == ' ' || rest.ptr[i + 1] == '\n'))
                end = (ptrdiff_t)i + 1;
        struct str sentence = str_sub(rest, 0, end < 0 ? rest.len : (size_t)end);
        rest = str_trim(str_sub(rest, sentence.len, rest.len));
        CLEANUP(buf_release) struct buf lines = { 0 };
        help_wrap(sentence, 0, 0, SOURCE_COLUMNS, &lines);
        add_text(buf_str(&lines), out);
    }
}

/* A line of a table, which begins in lower case and ends without a full stop, as a sentence. */
static void add_sentence(const char *line, char end, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_addf(&text, "%s%c", line, end);
    if (text.ptr[0] >= 'a' && text.ptr[0] <= 'z')
        text.ptr[0] = (char)(text.ptr[0] - 'a' + 'A');
    add_prose(buf_str(&text), out);
}

/* Words as arguments of a macro: "\&" keeps mdoc from taking one for a macro. */
static void add_arguments(const char *words, struct buf *out)
{
    struct str rest = str_from(words), word;

    while (str_split(&rest, ' ', &word)) {
        buf_add_text(out, " \\&");
        add_text(word, out);
    }
}

/* "weir-capture-import". */
static void add_page_name(const char *path, struct buf *out)
{
    buf_add_text(out, "weir");
    if (*path)
        buf_add_byte(out, '-');
    for (; *path; path++)
        buf_add_byte(out, *path == ' ' ? '-' : *path);
}

static void add_head(const char *path, const char *summary, struct buf *out)
{
    CLEANUP(buf_release) struct buf title = { 0 };

    add_page_name(path, &title);
    buf_add_text(out, ".\\\" Made by `make docs` from the tables in cli/: change those.\n");
    buf_addf(out, ".Dd %s\n.Dt ", WEIR_MANUAL_DATE);
    for (size_t i = 0; i < title.len; i++) {
        char c = title.ptr[i];
        buf_add_byte(out, c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
    }
    buf_add_text(out, " 1\n.Os\n.Sh NAME\n.Nm ");
    buf_add_str(out, buf_str(&title));
    buf_addf(out, "\n.Nd %s\n", summary);
}

/* ".Fl a , -archive Ar DIR" without the macro's dot. */
static void add_option_words(const struct option_def *def, bool with_letter, struct buf *out)
{
    buf_add_text(out, "Fl ");
    if (with_letter && def->letter)
        buf_addf(out, "%c , Fl ", def->letter);
    buf_addf(out, "-%s", def->name);
    if (def->value) {
        buf_add_text(out, " Ar");
        add_arguments(def->value, out);
    }
}

static void add_synopsis(const struct command *c, struct buf *out)
{
    buf_add_text(out, ".Sh SYNOPSIS\n.Nm weir");
    add_arguments(c->path, out);
    buf_add_byte(out, '\n');
    for (const struct option_def *def = c->options; def->kind != OPTION_END; def++) {
        buf_add_text(out, def->required ? "." : ".Op ");
        add_option_words(def, false, out);
        buf_add_text(out, def->kind == OPTION_LIST ? " ...\n" : "\n");
    }
    if (c->operands[0]) {
        buf_add_text(out, ".Ar");
        add_arguments(c->operands, out);
        buf_add_byte(out, '\n');
    }
}

static void add_paragraphs(const char *text, struct buf *out)
{
    struct str rest = str_from(text);
    struct help_paragraph paragraph;

    for (bool first = true; help_paragraph(&rest, &paragraph); first = false) {
        if (paragraph.is_literal) {
            buf_add_text(out, ".Bd -literal\n");
            add_text(paragraph.text, out);
            buf_add_text(out, "\n.Ed\n");
            continue;
        }
        buf_add_text(out, first ? "" : ".Pp\n");
        add_prose(paragraph.text, out);
    }
}

static void add_option(const struct option_def *def, struct buf *out)
{
    buf_add_text(out, ".It ");
    add_option_words(def, true, out);
    buf_add_byte(out, '\n');
    add_sentence(def->help, '.', out);
    if (def->required)
        buf_add_text(out, "It must be given.\n");
    if (def->kind == OPTION_LIST)
        buf_add_text(out, "May be given more than once.\n");
    if (!def->choices)
        return;
    buf_add_text(out, "One of\n");
    for (const char *const *choice = def->choices; *choice; choice++)
        buf_addf(out, ".Cm %s%s\n", *choice, choice[1] ? " ," : " .");
}

static void add_options(const struct command *c, struct buf *out)
{
    buf_add_text(out, ".Sh OPTIONS\n.Bl -tag -width Ds\n");
    for (const struct option_def *def = c->options; def->kind != OPTION_END; def++)
        add_option(def, out);
    buf_add_text(out, ".It Fl h , Fl -help\nPrints a summary of this page and does nothing else.\n"
                      ".El\n");
}

static void add_exit_status(const struct command *c, struct buf *out)
{
    buf_add_text(
        out, ".Sh EXIT STATUS\n.Bl -tag -width Ds\n"
             ".It 0\nIt worked.\n"
             ".It 1\nSomething failed, or standard output did not take everything; the message\n"
             "on standard error says what.\n"
             ".It 2\nThe command line or the configuration is wrong; nothing was done.\n");
    if (c->findings) {
        buf_add_text(out, ".It 3\n");
        add_sentence(c->findings, '.', out);
    }
    for (const struct exit_status *e = c->exits; e && e->what; e++) {
        buf_addf(out, ".It %d\n", e->status);
        add_sentence(e->what, '.', out);
    }
    buf_add_text(out, ".El\n.Pp\n"
                      "A reader of standard output that goes away, such as\n.Xr head 1 ,\n"
                      "ends the command by\n.Dv SIGPIPE ,\nwithout a message.\n");
}

static void add_examples(const struct example *examples, struct buf *out)
{
    buf_add_text(out, ".Sh EXAMPLES\n");
    for (const struct example *e = examples; e->command; e++) {
        buf_add_text(out, e == examples ? "" : ".Pp\n");
        add_sentence(e->what, ':', out);
        buf_add_text(out, ".Bd -literal -offset indent\n$ ");
        add_text(str_from(e->command), out);
        buf_add_text(out, "\n.Ed\n");
    }
}

/* A page some text refers to: "weir-archive(5)". */
struct reference {
    struct str name;
    char section;
};

/* The order mdoc(7) asks for: by section, then by name. */
static int reference_cmp(const void *a, const void *b)
{
    const struct reference *x = a, *y = b;

    return x->section != y->section ? x->section - y->section : str_cmp(x->name, y->name);
}

static void add_see_also(const char *pages, struct buf *out)
{
    struct str rest = str_from(pages), page;
    VEC(struct reference) list = { 0 };

    while (str_split(&rest, ',', &page)) {
        page = str_trim(page);
        ptrdiff_t open = str_find_char(page, '(', 0);
        if (open > 0)
            vec_push(&list,
                     (struct reference){ str_sub(page, 0, (size_t)open), page.ptr[open + 1] });
    }
    qsort(list.ptr, list.len, sizeof(*list.ptr), reference_cmp);
    buf_add_text(out, ".Sh SEE ALSO\n");
    for (size_t i = 0; i < list.len; i++)
        buf_addf(out, ".Xr %.*s %c%s\n", STR_ARG(list.ptr[i].name), list.ptr[i].section,
                 i + 1 < list.len ? " ," : "");
    vec_release(&list);
}

void manual_command(const struct command *c, struct buf *out)
{
    CLEANUP(buf_release) struct buf pages = { 0 };

    add_head(c->path, c->summary, out);
    add_synopsis(c, out);
    buf_add_text(out, ".Sh DESCRIPTION\n");
    add_paragraphs(c->description, out);
    add_options(c, out);
    add_exit_status(c, out);
    add_examples(c->examples, out);
    buf_addf(&pages, "weir(1), %s", c->see_also ? c->see_also : "");
    add_see_also(buf_cstr(&pages), out);
}

static const char overview_text[] =
    "weir reads recorded traffic between applications and providers of large language models, "
    "keeps it in an archive of plain files, and says exactly what it cost and who caused it. "
    "It needs no server, no network and no account: one program and a folder.\n\n"
    "A usual run is three commands: import the recordings, look at what is there, ask for the "
    "spend.";

static const struct example overview_examples[] = {
    {"weir capture import --archive mine traffic.jsonl", "Put recorded traffic into an archive"},
    { "weir capture ls --archive demo",                  "See what an archive holds"           },
    { "weir analyze spend --archive demo --by team,app", "Ask what it cost"                    },
    { NULL,                                              NULL                                  },
};

static void add_command_list(struct buf *out)
{
    for (const struct command_group *g = command_groups; g->path; g++) {
        size_t len = strlen(g->path);
        if (strchr(g->path, ' '))
            continue;
        buf_addf(out, ".Ss weir %s\n", g->path);
        add_sentence(g->summary, ':', out);
        buf_add_text(out, ".Bl -tag -width Ds\n");
        for (const struct command *const *c = commands; *c; c++) {
            if (strncmp((*c)->path, g->path, len) != 0 || (*c)->path[len] != ' ')
                continue;
            buf_add_text(out, ".It Xr ");
            add_page_name((*c)->path, out);
            buf_add_text(out, " 1\n");
            add_sentence((*c)->summary, '.', out);
        }
        buf_add_text(out, ".El\n");
    }
}

void manual_overview(struct buf *out)
{
    add_head("", "LLM traffic recorded, priced, replayed, and moved behind a gateway", out);
    buf_add_text(out, ".Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar option ...\n.Op Ar argument ...\n"
                      ".Nm\n.Cm help\n.Op Ar command\n.Nm\n.Fl -version\n"
                      ".Sh DESCRIPTION\n");
    add_paragraphs(overview_text, out);
    buf_add_text(out, ".Sh COMMANDS\n");
    add_command_list(out);
    buf_add_text(out,
                 ".Sh ENVIRONMENT\n.Bl -tag -width WEIR_DATADIR\n"
                 ".It Ev WEIR_DATADIR\nThe folder of price books and column maps, in place of the\n"
                 "one that was installed.\n"
                 ".It Ev NO_COLOR\nIf set and not empty, headings on a terminal are not bold.\n"
                 ".El\n");
    add_exit_status(
        &(const struct command){
            .findings = "The command found what it looks for: damage, suspicious prices",
            .exits = migration_exits },
        out);
    add_examples(overview_examples, out);
    add_see_also("weir-archive(5), weir-config(5), weir-where(7)", out);
}
