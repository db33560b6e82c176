/* evidence - documents of migrate: printed in the form that was asked for, and kept in the rollout
 * beside the entry that rests on them. */
#ifndef CLI_EVIDENCE_H
#define CLI_EVIDENCE_H

#include "base/document.h"
#include "cli/migration.h"

/* The choices of --format for evidence_print, for OPTION_FORMAT. */
extern const char *const evidence_formats[];
/* To stdout, which may be --output, as --format says. */
void evidence_print(const struct invocation *inv, const struct document *d);

/* Appends entries, naming their documents' JSON and the plan, to the rollout, which m has open for
 * reading: it is opened for writing for no longer than that, once nobody else writes, for whom this
 * waits a minute.  Hooks are told. */
struct evidence {
    struct rollout_entry entry; /* it has the time at which it is written */
    const struct document *document;
};
int evidence_keep(const struct migration *m, const struct evidence *list, size_t count,
                  struct err *err);

#endif
