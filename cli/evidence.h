/* evidence - documents of migrate: printed in the form that was asked for, and kept in the rollout
 * beside the entry that rests on them. */
#ifndef CLI_EVIDENCE_H
#define CLI_EVIDENCE_H

#include "base/document.h"
#include "cli/migration.h"

/* The choices of --format for evidence_print, for OPTION_FORMAT. */
extern const char *const evidence_formats[];
/* In --format, or as the ending of --output says; to that file, or to stdout. */
int evidence_print(const struct invocation *inv, const struct document *d, struct err *err);
#define OPTION_OUTPUT                                                                              \
    OPTION(VALUE, .name = "output", .letter = 'o', .value = "FILE", .is_path = true,               \
           .help = "write there; its ending (.html, .json, .csv, .txt) names the format unless "   \
                   "--format does")

/* Appends e, naming d's JSON and the plan, to the rollout, which m has open for reading: it is
 * opened for writing for no longer than that. */
struct evidence {
    struct rollout_entry entry;
    const struct document *document;
};
int evidence_keep(const struct migration *m, const struct evidence *list, size_t count,
                  struct err *err);

#endif
