/* nearest - which known name a mistyped one was probably meant to be. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include "base/str.h"

#define NEAREST_WORD_BYTES_MAX 64 /* longer words get no suggestion */

struct nearest {
    struct str word;
    size_t limit;     /* edits beyond which a name is no suggestion: a third of the word, 1 to 3 */
    const char *best; /* NULL: nothing is near enough */
    size_t edits;     /* of best */
};

void nearest_init(struct nearest *n, struct str word);
/* Considers one name, which must outlive n; the first of equally near ones is kept. */
void nearest_offer(struct nearest *n, const char *name);
/* The nearest of a NULL-terminated list, or NULL. */
const char *nearest_of(struct str word, const char *const *names);

#endif
