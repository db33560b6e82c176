#include "config.h"

#include "base/nearest.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b (optimal string
 * alignment). */
static size_t edits_between(struct str a, struct str b)
{
    size_t rows[3][NEAREST_WORD_BYTES_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *here = rows[2];

    assert(a.len <= NEAREST_WORD_BYTES_MAX && b.len <= NEAREST_WORD_BYTES_MAX);
    for (size_t j = 0; j <= b.len; j++)
        above[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        here[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t replaced = above[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]);
            here[j] = least(replaced, least(above[j], here[j - 1]) + 1);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1])
                here[j] = least(here[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = above;
        above = here;
        here = oldest;
    }
    return above[b.len];
}

void nearest_init(struct nearest *n, struct str word)
{
    *n = (struct nearest){ .word = word };
    n->limit = least(word.len < 3 ? 1 : word.len / 3, 3);
    n->edits = n->limit + 1;
}

void nearest_offer(struct nearest *n, const char *name)
{
    struct str known = str_from(name);

    if (n->word.len == 0 || n->word.len > NEAREST_WORD_BYTES_MAX ||
        known.len > NEAREST_WORD_BYTES_MAX)
        return;
    /* "form" for "format": a beginning counts as one edit, it is how people abbreviate. */
    bool begins = n->word.len >= 3 && str_starts_with(known, n->word);
    size_t edits = begins ? 1 : edits_between(n->word, known);
    if (edits < n->edits) {
        n->edits = edits;
        n->best = name;
    }
}

const char *nearest_of(struct str word, const char *const *names)
{
    struct nearest n;

    nearest_init(&n, word);
    for (; *names; names++)
        nearest_offer(&n, *names);
    return n.best;
}
