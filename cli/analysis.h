/* analysis - what every question to the ledgers takes: which ledgers, whose rules, which prices,
 * and how many threads may work on it. */
#ifndef CLI_ANALYSIS_H
#define CLI_ANALYSIS_H

#include "analyze/engine.h"
#include "capture/conf.h"
#include "cli/command.h"
#include "cli/credentials.h"

/* The rows of an option table that analysis_open reads. */
#define OPTIONS_ANALYSIS                                                                           \
    OPTION(LIST, .name = "archive", .letter = 'a', .value = "DIR", .is_path = true,                \
           .help = "an archive's folder, or a folder or file of ledgers"),                         \
        OPTION(VALUE, .name = "engine", .value = "URL",                                            \
               .help = "instead of an archive, ask the ClickHouse that ledgers were pushed to: "   \
                       "clickhouse://HOST:8123/DATABASE, see weir-analyze-push(1)"),               \
        OPTIONS_CREDENTIALS, OPTIONS_ANALYSIS_ANYWHERE
/* Where it must be archives. */
#define OPTIONS_ANALYSIS_ARCHIVE                                                                   \
    OPTION(LIST, .name = "archive", .letter = 'a', .value = "DIR", .required = true,               \
           .is_path = true, .help = "an archive's folder, or a folder or file of ledgers"),        \
        OPTIONS_ANALYSIS_ANYWHERE
/* Those that say nothing of where the ledgers are. */
#define OPTIONS_ANALYSIS_ANYWHERE                                                                  \
    OPTION(VALUE, .name = "tz", .value = "ZONE",                                                   \
           .help = "the zone of days, months and times you write (default UTC, which is what "     \
                   "providers bill by)"),                                                          \
        OPTION(VALUE, .name = "where", .letter = 'w', .value = "EXPR",                             \
               .help = "count only what passes this filter, see weir-where(7)"),                   \
        OPTION(VALUE, .name = "config", .letter = 'c', .value = "FILE", .is_path = true,           \
               .help =                                                                             \
                   "attribute anew by the rules of this configuration; the archive stays as it "   \
                   "is"),                                                                          \
        OPTION(LIST, .name = "prices", .value = "FILE", .is_path = true,                           \
               .help = "a price file laid over the shipped book, for contract prices and model "   \
                       "maps"),                                                                    \
        OPTION(VALUE, .name = "threads", .value = "N",                                             \
               .help = "how many threads read ledgers (default: one for each processor, 8 at "     \
                       "most)"),                                                                   \
        OPTION_COUNT_SHARED

struct analysis {
    struct conf *conf; /* NULL = none given */
    struct price_book *book;
    VEC(char *) price_paths; /* what it was loaded from, in that order */
    struct tz *tz;
    const char *zone; /* its name */
    struct where *where;
    unsigned threads;
    bool count_shared;         /* see struct ledgers */
    const char *const *paths;  /* of --archive; none with a server */
    struct clickhouse *server; /* of --engine; NULL = the ledgers are here */
    struct ledgers ledgers, earlier;
    int64_t from_us, to_us;
};

/* Everything but the span and the ledgers: those of --archive or of --engine, of which one must be
 * given. */
int analysis_open(const struct invocation *inv, struct analysis *ret, struct err *err);
/* Of these archives (NULL-terminated, not NULL) and this configuration (may be NULL), whatever the
 * options of the same name say. */
int analysis_open_at(const struct invocation *inv, const char *const *paths, const char *config,
                     struct analysis *ret, struct err *err);
/* Lists the ledgers of the span (half open; INT64_MIN and INT64_MAX = unbounded), and those before
 * it that repeats are looked for in.  May be called again for another span. */
int analysis_set_span(struct analysis *a, int64_t from_us, int64_t to_us, struct err *err);
/* Says that nothing was there, and which options narrowed it down: an empty table is an answer, but
 * mostly to a mistyped question. */
void analysis_note_empty(const struct invocation *inv);
void analysis_close(struct analysis *a);
DEFINE_CLEANUP_VALUE(struct analysis, analysis_close)

/* What to group by; zero-initialised is nothing. */
struct grouping {
    struct dimension *dimensions[DIMENSIONS_MAX];
    size_t count;
};
/* A dimension that is there already is not added again; tz as in dimension_new. */
int grouping_add(struct grouping *g, struct str name, const struct tz *tz, struct err *err);
/* Those of "team,model". */
int grouping_add_list(struct grouping *g, const char *names, const struct tz *tz, struct err *err);
void grouping_release(struct grouping *g);
DEFINE_CLEANUP_VALUE(struct grouping, grouping_release)

/* A query over the span; g (NULL = no groups) stays the caller's. */
struct engine_query analysis_query(const struct analysis *a, const struct grouping *g,
                                   uint32_t measures);

#endif
