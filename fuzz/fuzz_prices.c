/* Price files: ours (read, planned, asked, written and read again) and, where the bytes are JSON,
 * other projects' (imported, written in ours and read back). */
#include "config.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "llm/price_import.h"
#include "llm/price_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What we wrote must be read: prices and rules of a file survive its being written. */
static void read_back(const struct price_file *f)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    CLEANUP(price_file_free) struct price_file *again = NULL;
    struct err err;

    price_file_write(f, &text);
    if (price_file_parse(buf_str(&text), "again", &again, &err) < 0 ||
        again->entry_count != f->entry_count)
        abort();
}

static void try_ours(struct str text)
{
    CLEANUP(price_file_free) struct price_file *file = NULL;
    struct err err;

    if (price_file_parse(text, "fuzz", &file, &err) < 0)
        return;
    price_plan_file(file);
    for (size_t i = 0; i < file->entry_count; i++)
        price_rule_matches(&file->entries[i].match, STR("gpt-4o-2024-08-06"));
    read_back(file);
}

static void try_theirs(struct str text)
{
    const struct price_import_options options = { .checked = STR("2026-01-01") };
    CLEANUP(price_import_free) struct price_import *im = price_import_new(&options);
    CLEANUP(price_file_free) struct price_file *file = NULL;
    CLEANUP(buf_release) struct buf out = { 0 };
    struct err err;

    if (price_import_add(im, text, "fuzz", PRICE_FORMAT_AUTO, NULL, &err) < 0)
        return;
    price_import_write(im, &out);
    /* A rule of theirs may be a regular expression that PCRE2 does not take. */
    price_file_parse(buf_str(&out), "written", &file, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = { (const char *)data, size };

    try_ours(text);
    try_theirs(text);
    return 0;
}
