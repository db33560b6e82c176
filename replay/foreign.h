/* foreign - reads fallback configurations, weir's own and other gateways', into policy/plan.
 *
 * Every key of a file is accounted for: exact, approximated (how), unsupported (why), or aside, if
 * it says nothing about where a call goes.  What is known to go wrong is reported to the lint.
 */
#ifndef REPLAY_FOREIGN_H
#define REPLAY_FOREIGN_H

#include "base/yaml.h"
#include "policy/plan.h"
#include "replay/lint.h"

#define FOREIGN_BYTES_MAX (4u << 20) /* of a file */

enum foreign_format {
    FOREIGN_WEIR,
    FOREIGN_LITELLM,
    FOREIGN_PORTKEY,
    FOREIGN_ENVOY,
    FOREIGN_TENSORZERO,
    FOREIGN_BIFROST,
    FOREIGN_FORMATS,
};

extern const char *const foreign_names[]; /* NULL-terminated */

struct foreign_file {
    enum foreign_format format;
    struct str name; /* as messages call it; borrowed */
    struct yaml *tree;
};

void foreign_file_release(struct foreign_file *f);
DEFINE_CLEANUP_VALUE(struct foreign_file, foreign_file_release)

/* Reads text; wanted is a format, or FOREIGN_FORMATS to tell it by the content.  What cannot be
 * read, or told, is ERR_USAGE with name:line:column. */
int foreign_parse(struct str text, const char *name, enum foreign_format wanted,
                  struct foreign_file *ret, struct err *err);
/* The plan of files of one format: several only for FOREIGN_ENVOY, whose routes and policies may
 * lie in different ones. */
int foreign_read(const struct foreign_file *files, size_t count, struct lint *l, struct plan **ret,
                 struct err *err);

#endif
