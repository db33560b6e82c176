#include "config.h"

#include "cli/line_diff.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/vec.h"

#define CONTEXT   3
#define CELLS_MAX (16u << 20) /* of the table of common subsequences, 4 bytes each */

struct lines {
    VEC(struct str) list;
};

/* One line of the result: kept, only before, or only after. */
struct edit {
    char mark; /* ' ', '-', '+' */
    struct str line;
};

struct edits {
    VEC(struct edit) list;
};

static void split(struct str text, struct lines *ret)
{
    struct str line;

    if (str_ends_with(text, STR("\n")))
        text.len--;
    else if (!text.len)
        return;
    while (str_split(&text, '\n', &line))
        vec_push(&ret->list, line);
}

static void add(struct edits *e, char mark, const struct lines *from, size_t at)
{
    vec_push(&e->list, ((struct edit){ mark, from->list.ptr[at] }));
}

static bool is_same(const struct lines *a, size_t i, const struct lines *b, size_t k)
{
    return str_eq(a->list.ptr[i], b->list.ptr[k]);
}

/* The part of the texts that differs: [from, a_to) and [from, b_to). */
struct middle {
    const struct lines *a, *b;
    size_t from, a_to, b_to;
};

/* length[i][k]: of the longest common subsequence of what begins at i and k. */
static void edit_least(const struct middle *m, struct edits *out)
{
    size_t rows = m->a_to - m->from, columns = m->b_to - m->from, width = columns + 1;
    uint32_t *length = mem_calloc((rows + 1) * width, sizeof(*length));
    size_t i = 0, k = 0;

    for (size_t r = rows; r-- > 0;)
        for (size_t c = columns; c-- > 0;) {
            uint32_t down = length[(r + 1) * width + c], right = length[r * width + c + 1];
            length[r * width + c] = is_same(m->a, m->from + r, m->b, m->from + c)
                                        ? length[(r + 1) * width + c + 1] + 1
                                    : down > right ? down
                                                   : right;
        }
    while (i < rows || k < columns) {
        if (i < rows && k < columns && is_same(m->a, m->from + i, m->b, m->from + k)) {
            add(out, ' ', m->a, m->from + i++);
            k++;
        } else if (i < rows &&
                   (k == columns || length[(i + 1) * width + k] >= length[i * width + k + 1])) {
            add(out, '-', m->a, m->from + i++);
        } else {
            add(out, '+', m->b, m->from + k++);
        }
    }
    free(length);
}

/* As many lines on both sides: each against its own. */
static void edit_in_place(const struct middle *m, struct edits *out)
{
    size_t i = m->from;

    while (i < m->a_to) {
        size_t to = i;
        if (is_same(m->a, i, m->b, i)) {
            add(out, ' ', m->a, i++);
            continue;
        }
        while (to < m->a_to && !is_same(m->a, to, m->b, to))
            to++;
        for (size_t k = i; k < to; k++)
            add(out, '-', m->a, k);
        for (size_t k = i; k < to; k++)
            add(out, '+', m->b, k);
        i = to;
    }
}

static void edit_all(const struct middle *m, struct edits *out)
{
    for (size_t i = m->from; i < m->a_to; i++)
        add(out, '-', m->a, i);
    for (size_t k = m->from; k < m->b_to; k++)
        add(out, '+', m->b, k);
}

static void make_edits(const struct lines *a, const struct lines *b, struct edits *out)
{
    struct middle m = { a, b, 0, a->list.len, b->list.len };

    while (m.from < m.a_to && m.from < m.b_to && is_same(a, m.from, b, m.from))
        m.from++;
    while (m.a_to > m.from && m.b_to > m.from && is_same(a, m.a_to - 1, b, m.b_to - 1)) {
        m.a_to--;
        m.b_to--;
    }
    for (size_t i = 0; i < m.from; i++)
        add(out, ' ', a, i);
    if ((m.a_to - m.from + 1) * (m.b_to - m.from + 1) <= CELLS_MAX)
        edit_least(&m, out);
    else if (m.a_to == m.b_to)
        edit_in_place(&m, out);
    else
        edit_all(&m, out);
    for (size_t i = m.a_to; i < a->list.len; i++)
        add(out, ' ', a, i);
}

/* Where the hunk that begins at `from` ends: after so many lines without a change. */
static size_t hunk_end(const struct edits *e, size_t from)
{
    size_t end = from;

    for (size_t i = from; i < e->list.len && i <= end + (size_t)2 * CONTEXT; i++)
        if (e->list.ptr[i].mark != ' ')
            end = i;
    end += CONTEXT + 1;
    return end < e->list.len ? end : e->list.len;
}

static void add_hunk(const struct edits *e, size_t from, size_t to, const size_t *at,
                     struct buf *out)
{
    size_t old = 0, new = 0;

    for (size_t i = from; i < to; i++) {
        old += e->list.ptr[i].mark != '+';
        new += e->list.ptr[i].mark != '-';
    }
    buf_addf(out, "@@ -%zu,%zu +%zu,%zu @@\n", old ? at[0] + 1 : at[0], old,
             new ? at[1] + 1 : at[1], new);
    for (size_t i = from; i < to; i++) {
        buf_add_byte(out, e->list.ptr[i].mark);
        buf_add_str(out, e->list.ptr[i].line);
        buf_add_byte(out, '\n');
    }
}

static void print(const struct edits *e, struct buf *out)
{
    size_t at[2] = { 0, 0 }, done = 0; /* lines before, and after, up to `done` */

    for (size_t i = 0; i < e->list.len; i++) {
        if (e->list.ptr[i].mark == ' ' || i < done)
            continue;
        size_t from = i > done + CONTEXT ? i - CONTEXT : done, to = hunk_end(e, i);
        for (; done < from; done++) {
            at[0]++;
            at[1]++;
        }
        add_hunk(e, from, to, at, out);
        for (; done < to; done++) {
            at[0] += e->list.ptr[done].mark != '+';
            at[1] += e->list.ptr[done].mark != '-';
        }
    }
}

void line_diff(struct str before, struct str after, const char *before_name, const char *after_name,
               struct buf *out)
{
    struct lines a = { 0 }, b = { 0 };
    struct edits edits = { 0 };

    if (str_eq(before, after))
        return;
    split(before, &a);
    split(after, &b);
    make_edits(&a, &b, &edits);
    buf_addf(out, "--- %s\n+++ %s\n", before_name, after_name);
    print(&edits, out);
    vec_release(&a.list);
    vec_release(&b.list);
    vec_release(&edits.list);
}
