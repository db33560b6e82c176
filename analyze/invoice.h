/* invoice - what a provider says was used and what it cost: the lines of its exports.
 *
 * Read are, by their columns or members whatever the file's name (gzip and zstd too):
 *
 *     OpenAI     costs: dashboard CSV or TSV (columns of 2025-10 and of 2026-09), API pages
 *                usage: dashboard CSV or TSV, API pages (completions, embeddings, images, audio
 * ...) Anthropic  costs: console CSV (with and without list_price_usd), cost_report pages usage:
 * console CSV, usage_report/messages pages AWS        Cost and Usage Report 2.0 as CSV: the lines
 * of Amazon Bedrock FOCUS      1.0 to 1.4 as CSV: the lines of usage
 *
 * Sources: OpenAI API reference, organization costs and usage, 2026-11; Anthropic Admin API
 * reference, 2026-08-22; AWS "Understanding your CUR data" for Bedrock, 2026; FOCUS 1.2 and 1.4.
 *
 * A row that sums several kinds of tokens becomes a line for each kind.
 */
#ifndef ANALYZE_INVOICE_H
#define ANALYZE_INVOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "analyze/bill.h"
#include "base/arena.h"
#include "base/decimal.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "llm/provider.h"

#define INVOICE_LINES_MAX 20000000

struct invoice_line {
    enum provider provider;
    int64_t from_us, to_us; /* UTC, half open */
    struct str model;       /* as the file has it; "" = not said */
    enum bill_unit unit;
    bool has_quantity, has_cost, has_list;
    i128 quantity_micro;       /* millionths: of hours there are fractions */
    i128 cost_pusd, list_pusd; /* 1e-12 USD; what is billed, and before a discount */
    struct str tier;           /* "batch", "flex", "priority"; "" = standard or not said */
    struct str geo;            /* "" = global or not said */
    bool long_context;
    struct str project, key; /* project or workspace or account; identifier of the key */
    struct str item;         /* the line in the provider's words */
    uint64_t row;            /* line of a CSV, element of a JSON document, from 1 */
    uint32_t file;           /* into invoice.files */
};

/* X(constant, name) */
#define INVOICE_FORMATS(X)                                                                         \
    X(OPENAI_COSTS, "OpenAI costs")                                                                \
    X(OPENAI_USAGE, "OpenAI usage")                                                                \
    X(ANTHROPIC_COSTS, "Anthropic costs")                                                          \
    X(ANTHROPIC_USAGE, "Anthropic usage")                                                          \
    X(AWS_CUR, "AWS Cost and Usage Report")                                                        \
    X(FOCUS, "FOCUS")

enum invoice_format {
#define X(constant, name) INVOICE_##constant,
    INVOICE_FORMATS(X)
#undef X
        INVOICE_FORMAT_COUNT
};

struct invoice_file {
    struct str path;
    enum invoice_format format;
    uint64_t rows;       /* read */
    uint64_t lines;      /* made of them */
    uint64_t empty_rows; /* days without use */
    uint64_t other_rows; /* of other services, credits, taxes: left out */
    i128 other_pusd;     /* what those cost */
    /* Of its lines, those that a file before it has word for word (invoice_find_repeats). */
    uint64_t repeated_lines;
    i128 repeated_pusd;
};

struct invoice {
    VEC(struct invoice_line) lines;
    VEC(struct invoice_file) files;
    struct arena arena;
};

/* Adds the lines of a file ("-" = standard input).  Errors name file, line and column, and what is
 * read when none of its formats is recognised; ret then has what it had before. */
int invoice_read(const char *path, struct invoice *ret, struct err *err);
/* Once all files are read: lines of one that are in an earlier one of its kind.  ERR_USAGE if that
 * is all of a file. */
int invoice_find_repeats(struct invoice *v, struct err *err);
void invoice_release(struct invoice *v);
DEFINE_CLEANUP_VALUE(struct invoice, invoice_release)

const char *invoice_format_name(enum invoice_format f);
/* Appends a form of a model's name in which "Claude Haiku 4.5", "claude-haiku-4-5-20251001",
 * "us.anthropic.claude-haiku-4-5-20251001-v1:0" and "Claude4.5Haiku" are the same: its words and
 * numbers in order of the alphabet, without vendor, region, date and version of the API. */
struct buf;
void invoice_model_key(struct str model, struct buf *out);

#endif
