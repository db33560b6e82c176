#include "config.h"

#include "migrate/rollout_line.h"

#include <assert.h>
#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "base/digest.h"
#include "base/jscan.h"
#include "base/json.h"
#include "base/timestamp.h"

#define NAME_BYTES_MAX 255
/* What is cut here may grow: a byte that is no UTF-8 becomes three. */
#define DETAIL_CUT_BYTES 4096
#define DETAIL_BYTES_MAX (3 * DETAIL_CUT_BYTES)
/* What every reader of JSON keeps exactly (RFC 7493 2.2). */
#define NUMBER_MAX   ((INT64_C(1) << 53) - 1)
#define HASH_MEMBER  ",\"hash\":\""
#define LINE_END     "\"}"
#define TAIL_BYTES   (sizeof(HASH_MEMBER) - 1 + ROLLOUT_SHA_BYTES - 1 + sizeof(LINE_END) - 1)
#define TIME_BYTES   20 /* without a fraction */
#define MICROS_BYTES 7  /* ".000001" */

const char rollout_no_hash[ROLLOUT_SHA_BYTES] =
    "0000000000000000000000000000000000000000000000000000000000000000";

static const char *const kind_names[] = {
#define X(constant, word) [ROLLOUT_##constant] = (word),
    ROLLOUT_KINDS(X)
#undef X
};
static_assert(ARRAY_LEN(kind_names) == ROLLOUT_KIND_COUNT, "a word for each kind");

static const char *const why_names[] = {
    [ROLLOUT_NO_STEP] = "",
    [ROLLOUT_ADVANCE] = "advance",
    [ROLLOUT_ROLLBACK] = "rollback",
    [ROLLOUT_REHEARSE] = "rehearse",
};

const char *rollout_kind_name(enum rollout_kind kind)
{
    assert((size_t)kind < ARRAY_LEN(kind_names));
    return kind_names[kind];
}

const char *rollout_why_name(enum rollout_why why)
{
    assert((size_t)why < ARRAY_LEN(why_names));
    return why_names[why];
}

bool rollout_is_sha(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!(s.ptr[i] >= '0' && s.ptr[i] <= '9') && !(s.ptr[i] >= 'a' && s.ptr[i] <= 'f'))
            return false;
    return s.len == ROLLOUT_SHA_BYTES - 1;
}

struct reader {
    struct str text;
    size_t at;
    struct arena *arena;
    const char *wrong; /* what comes after "its 'app' " */
};

struct member;

/* How a member is spelled.  Fields that are empty are not written. */
struct spelling {
    bool (*read)(struct reader *r, const struct member *m, void *field);
    void (*write)(const void *field, struct buf *out);
    bool (*is_empty)(const void *field);
};

struct member {
    const char *key;
    const struct spelling *spelling;
    size_t offset; /* in struct rollout_line */
    bool required;
};

static bool refuse(struct reader *r, const char *wrong)
{
    r->wrong = wrong;
    return false;
}

static bool take(struct reader *r, struct str literal)
{
    if (!str_starts_with(str_sub(r->text, r->at, SIZE_MAX), literal))
        return false;
    r->at += literal.len;
    return true;
}

/* Digits without leading zeros. */
static bool take_digits(struct reader *r, int64_t max, int64_t *ret)
{
    size_t from = r->at;
    int64_t n = 0;

    for (; r->at < r->text.len && isdigit((unsigned char)r->text.ptr[r->at]); r->at++) {
        n = n * 10 + (r->text.ptr[r->at] - '0');
        if (n > max)
            return refuse(r, "is too large");
    }
    if (r->at == from || (r->text.ptr[from] == '0' && r->at > from + 1))
        return refuse(r, "is no number as weir writes it");
    *ret = n;
    return true;
}

static bool read_count(struct reader *r, const struct member *m, void *field)
{
    int64_t n;

    (void)m;
    if (!take_digits(r, NUMBER_MAX, &n))
        return false;
    *(uint64_t *)field = (uint64_t)n;
    return true;
}

static void write_count(const void *field, struct buf *out)
{
    uint64_t n = *(const uint64_t *)field;

    buf_add_int(out, n > INT64_MAX ? INT64_MAX : (int64_t)n);
}

static bool is_empty_count(const void *field)
{
    return *(const uint64_t *)field == 0;
}

static bool read_value(struct reader *r, const struct member *m, void *field)
{
    bool negative = take(r, STR("-"));
    int64_t n;

    (void)m;
    if (!take_digits(r, NUMBER_MAX, &n))
        return false;
    if (negative && n == 0)
        return refuse(r, "is no number as weir writes it");
    *(int64_t *)field = negative ? -n : n;
    return true;
}

static void write_value(const void *field, struct buf *out)
{
    buf_add_int(out, *(const int64_t *)field);
}

static bool is_empty_value(const void *field)
{
    return *(const int64_t *)field == 0;
}

static bool take_two(struct reader *r, int *ret)
{
    const char *at = r->text.ptr + r->at;

    if (r->text.len - r->at < 2 || !isdigit((unsigned char)at[0]) || !isdigit((unsigned char)at[1]))
        return false;
    *ret = (at[0] - '0') * 10 + (at[1] - '0');
    r->at += 2;
    return true;
}

static bool take_civil(struct reader *r, struct civil *ret)
{
    int century, year;

    if (!take_two(r, &century) || !take_two(r, &year) || !take(r, STR("-")) ||
        !take_two(r, &ret->month) || !take(r, STR("-")) || !take_two(r, &ret->day) ||
        !take(r, STR("T")) || !take_two(r, &ret->hour) || !take(r, STR(":")) ||
        !take_two(r, &ret->minute) || !take(r, STR(":")) || !take_two(r, &ret->second))
        return false;
    ret->year = century * 100 + year;
    return true;
}

static bool take_micros(struct reader *r, struct civil *ret)
{
    int part;

    if (!take(r, STR(".")))
        return true;
    for (int i = 0; i < 3; i++) {
        if (!take_two(r, &part))
            return false;
        ret->microsecond = ret->microsecond * 100 + part;
    }
    return ret->microsecond > 0;
}

/* "2026-10-01T12:00:00.123456Z", as timestamp_format writes it, from 1970 on. */
static bool read_time(struct reader *r, const struct member *m, void *field)
{
    struct civil c = { 0 };

    (void)m;
    if (!take(r, STR("\"")) || !take_civil(r, &c) || !take_micros(r, &c) || !take(r, STR("Z\"")) ||
        c.year < 1970 || c.month < 1 || c.month > 12)
        return refuse(r, "is no time as weir writes it");
    int64_t us = civil_to_us(c);
    struct civil again = civil_from_us(us);
    /* A field past its range has carried over into the next. */
    if (again.day != c.day || again.hour != c.hour || again.minute != c.minute ||
        again.second != c.second)
        return refuse(r, "is a time that does not exist");
    *(int64_t *)field = us;
    return true;
}

static void write_time(const void *field, struct buf *out)
{
    char text[TIMESTAMP_TEXT_BYTES];

    json_add_string(out, str_from(timestamp_format(*(const int64_t *)field, text)));
}

/* The words of an enum, between quotes; the index, or -1. */
static int take_word(struct reader *r, const char *const *words, size_t count)
{
    size_t from = r->at + 1;

    if (!take(r, STR("\"")))
        return -1;
    while (r->at < r->text.len && (islower((unsigned char)r->text.ptr[r->at])))
        r->at++;
    struct str word = str_sub(r->text, from, r->at - from);
    if (!take(r, STR("\"")))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (str_eq(word, str_from(words[i])))
            return (int)i;
    return -1;
}

static bool read_kind(struct reader *r, const struct member *m, void *field)
{
    int i = take_word(r, kind_names, ARRAY_LEN(kind_names));

    (void)m;
    if (i < 0)
        return refuse(r, "is none that this version of weir knows");
    *(enum rollout_kind *)field = (enum rollout_kind)i;
    return true;
}

static void write_kind(const void *field, struct buf *out)
{
    json_add_string(out, str_from(rollout_kind_name(*(const enum rollout_kind *)field)));
}

static bool read_why(struct reader *r, const struct member *m, void *field)
{
    int i = take_word(r, why_names, ARRAY_LEN(why_names));

    (void)m;
    if (i < 0)
        return refuse(r, "is none that this version of weir knows");
    *(enum rollout_why *)field = (enum rollout_why)i;
    return true;
}

static void write_why(const void *field, struct buf *out)
{
    json_add_string(out, str_from(rollout_why_name(*(const enum rollout_why *)field)));
}

static bool is_empty_why(const void *field)
{
    return *(const enum rollout_why *)field == ROLLOUT_NO_STEP;
}

static bool never_empty(const void *field)
{
    (void)field;
    return false;
}

/* The index behind the closing quote of a string whose first character is at from; 0 = none. */
static size_t string_end(struct str text, size_t from, bool *ret_plain)
{
    *ret_plain = true;
    for (size_t i = from; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"')
            return i + 1;
        if (c < 0x20 || c >= 0x7f || c == '\\')
            *ret_plain = false;
        if (c == '\\')
            i++;
    }
    return 0;
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (is_control(s.ptr[i]))
            return true;
    return false;
}

/* Undoes escapes; what is not spelled as weir would is refused. */
static bool decode(struct reader *r, struct str quoted, struct str *ret)
{
    CLEANUP(buf_release) struct buf plain = { 0 };
    CLEANUP(buf_release) struct buf again = { 0 };

    jscan_unescape(str_sub(quoted, 1, quoted.len - 2), &plain);
    json_add_string(&again, buf_str(&plain));
    if (!str_eq(buf_str(&again), quoted))
        return refuse(r, "is no UTF-8, or not escaped as weir does it");
    if (has_control(buf_str(&plain)))
        return refuse(r, "has control characters");
    *ret = arena_str(r->arena, buf_str(&plain));
    return true;
}

static bool take_text(struct reader *r, size_t max_bytes, struct str *ret)
{
    size_t from = r->at;
    bool is_plain;

    if (!take(r, STR("\"")))
        return refuse(r, "is no text");
    size_t end = string_end(r->text, r->at, &is_plain);
    if (!end)
        return refuse(r, "does not end");
    r->at = end;
    *ret = str_sub(r->text, from + 1, end - from - 2);
    if (!is_plain && !decode(r, str_sub(r->text, from, end - from), ret))
        return false;
    return ret->len <= max_bytes || refuse(r, "is too long");
}

static bool read_name(struct reader *r, const struct member *m, void *field)
{
    (void)m;
    return take_text(r, NAME_BYTES_MAX, field);
}

static bool read_detail(struct reader *r, const struct member *m, void *field)
{
    (void)m;
    return take_text(r, DETAIL_BYTES_MAX, field);
}

static bool read_sha(struct reader *r, const struct member *m, void *field)
{
    struct str sha;

    (void)m;
    if (!take_text(r, ROLLOUT_SHA_BYTES - 1, &sha) || !rollout_is_sha(sha))
        return refuse(r, "is no SHA-256 in lower-case hex");
    *(struct str *)field = sha;
    return true;
}

static void write_text(const void *field, struct buf *out)
{
    json_add_string(out, *(const struct str *)field);
}

static bool is_empty_text(const void *field)
{
    return ((const struct str *)field)->len == 0;
}

static bool take_share(struct reader *r, struct str key, int32_t *ret)
{
    int64_t n;

    if (!take(r, key))
        return refuse(r, "is no list of {app, from, to}");
    if (!take_digits(r, ROLLOUT_ALL, &n))
        return refuse(r, "has a share that is no number from 0 to 10000");
    *ret = (int32_t)n;
    return true;
}

static bool take_move(struct reader *r, struct rollout_move *ret)
{
    if (!take(r, STR("{\"app\":")))
        return refuse(r, "is no list of {app, from, to}");
    if (!take_text(r, NAME_BYTES_MAX, &ret->app) || !take_share(r, STR(",\"from\":"), &ret->from) ||
        !take_share(r, STR(",\"to\":"), &ret->to))
        return false;
    if (!ret->app.len || !take(r, STR("}")))
        return refuse(r, "is no list of {app, from, to}");
    return true;
}

/* How many objects the list at the cursor has, at most: names may hold braces. */
static size_t count_moves(const struct reader *r)
{
    size_t count = 0;

    for (size_t i = r->at; i < r->text.len; i++)
        count += r->text.ptr[i] == '{';
    return count < ROLLOUT_MOVES_MAX ? count : ROLLOUT_MOVES_MAX;
}

static bool read_moves(struct reader *r, const struct member *m, void *field)
{
    struct rollout_entry *e = field;
    size_t room = count_moves(r), count = 0;
    struct rollout_move *list = arena_alloc(r->arena, room * sizeof(*list));

    (void)m;
    if (!take(r, STR("[")))
        return refuse(r, "is no list");
    do {
        if (count == room && str_starts_with(str_sub(r->text, r->at, SIZE_MAX), STR("{")))
            return refuse(r, "has more moves than a step may have");
        struct rollout_move move;
        if (!take_move(r, &move))
            return false;
        list[count++] = move;
    } while (take(r, STR(",")));
    if (!take(r, STR("]")))
        return refuse(r, "is no list of {app, from, to}");
    e->moves = list;
    e->move_count = count;
    return true;
}

static void write_moves(const void *field, struct buf *out)
{
    const struct rollout_entry *e = field;

    buf_add_byte(out, '[');
    for (size_t i = 0; i < e->move_count; i++) {
        buf_add_text(out, i ? ",{\"app\":" : "{\"app\":");
        json_add_string(out, e->moves[i].app);
        json_add_int(out, "from", e->moves[i].from);
        json_add_int(out, "to", e->moves[i].to);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}

static bool is_empty_moves(const void *field)
{
    return ((const struct rollout_entry *)field)->move_count == 0;
}

static const struct spelling count_spelling = { read_count, write_count, is_empty_count };
static const struct spelling value_spelling = { read_value, write_value, is_empty_value };
static const struct spelling time_spelling = { read_time, write_time, never_empty };
static const struct spelling kind_spelling = { read_kind, write_kind, never_empty };
static const struct spelling why_spelling = { read_why, write_why, is_empty_why };
static const struct spelling name_spelling = { read_name, write_text, is_empty_text };
static const struct spelling detail_spelling = { read_detail, write_text, is_empty_text };
static const struct spelling sha_spelling = { read_sha, write_text, is_empty_text };
static const struct spelling moves_spelling = { read_moves, write_moves, is_empty_moves };

#define ENTRY(field) offsetof(struct rollout_line, entry.field)

/* In the order in which they are written; weir-rollout(5) has the same. */
static const struct member members[] = {
    {"seq",   &count_spelling, ENTRY(seq),                   true                 },
    { "prev", &sha_spelling,   offsetof(struct rollout_line, prev),                 true },
    { "at",      &time_spelling,                 ENTRY(at_us),                          true                  },
    { "kind",      &kind_spelling,               ENTRY(kind),                        true  },
    { "why",      &why_spelling,                ENTRY(why),                          false                    },
    { "actor",      &name_spelling,              ENTRY(actor),                       false},
    { "app",      &name_spelling,                ENTRY(app),                         false                      },
    { "actuator",      &name_spelling,           ENTRY(actuator),                    false},
    { "epoch",      &count_spelling,              ENTRY(epoch),                      false                        },
    { "moves",      &moves_spelling,              offsetof(struct rollout_line,                      entry),false },
    { "before",  &sha_spelling,                ENTRY(before),                                    false                                                                },
    { "after",  &sha_spelling,                ENTRY(after),  false},
    { "plan",  &sha_spelling,                ENTRY(plan),                                     false                                                                                                   },
    { "evidence",  &sha_spelling,                ENTRY(evidence),false},
    { "value",  &value_spelling,                ENTRY(value),                                        false                                                                                                                                           },
    { "detail",  &detail_spelling,                ENTRY(detail),false},
};

static const void *field_of(const struct rollout_line *l, const struct member *m)
{
    return (const char *)l + m->offset;
}

static void add_hash(struct str body, struct buf *out)
{
    uint8_t sha[SHA256_BYTES];

    sha256_of(body, sha);
    hex_encode(sha, SHA256_BYTES, buf_reserve(out, SHA256_HEX_BYTES));
    out->len += SHA256_HEX_BYTES - 1;
}

void rollout_line_format(const struct rollout_line *l, struct buf *out)
{
    size_t from = out->len;

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const void *field = field_of(l, &members[i]);
        if (!members[i].required && members[i].spelling->is_empty(field))
            continue;
        buf_addf(out, "%s\"%s\":", i ? "," : "{", members[i].key);
        members[i].spelling->write(field, out);
    }
    size_t len = out->len - from;
    buf_add_text(out, HASH_MEMBER);
    buf_reserve(out, SHA256_HEX_BYTES);
    add_hash(str_sub(buf_str(out), from, len), out);
    buf_add_text(out, LINE_END);
}

/* Whether the line ends in the hash of what stands before it, which is *ret_body then. */
static int check_hash(struct str text, struct str *ret_body, struct str *ret_hash, struct err *err)
{
    uint8_t sha[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];

    if (text.len < TAIL_BYTES ||
        !str_starts_with(str_sub(text, text.len - TAIL_BYTES, SIZE_MAX), STR(HASH_MEMBER)) ||
        !str_ends_with(text, STR(LINE_END)))
        return err_set(err, ERR_CORRUPT, "was changed: it does not end in its hash");
    *ret_body = str_sub(text, 0, text.len - TAIL_BYTES);
    *ret_hash = str_sub(text, ret_body->len + sizeof(HASH_MEMBER) - 1, SHA256_HEX_BYTES - 1);
    sha256_of(*ret_body, sha);
    if (!str_eq(*ret_hash, str_from(hex_encode(sha, SHA256_BYTES, hex))))
        return err_set(err, ERR_CORRUPT, "was changed: it does not have the hash that it says");
    return 0;
}

/* The member at the cursor is none of those that may come now. */
static int err_member(const struct reader *r, struct err *err)
{
    struct str rest = str_sub(r->text, r->at, SIZE_MAX);
    struct str key = str_sub(rest, 2, SIZE_MAX);
    ptrdiff_t end = str_find_char(key, '"', 0);

    if (rest.len < 3 || end < 1 || end > 30 || has_control(str_sub(key, 0, (size_t)end)))
        return err_set(err, ERR_CORRUPT, "is no line as weir writes it, from byte %zu on",
                       r->at + 1);
    key.len = (size_t)end;
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (str_eq(key, str_from(members[i].key)))
            return err_set(err, ERR_CORRUPT, "has '%s' twice or not in its place", members[i].key);
    return err_set(err, ERR_CORRUPT,
                   "has the member '%.*s', which this version of weir does not know: a newer one "
                   "wrote it; install that one here as well",
                   STR_ARG(key));
}

/* The member's key with what stands before it: true = it is here. */
static bool take_key(struct reader *r, const struct member *m)
{
    struct str rest = str_sub(r->text, r->at, SIZE_MAX);
    size_t len = strlen(m->key);

    if (rest.len < len + 4 || rest.ptr[0] != (m == members ? '{' : ',') || rest.ptr[1] != '"' ||
        memcmp(rest.ptr + 2, m->key, len) != 0 || rest.ptr[len + 2] != '"' ||
        rest.ptr[len + 3] != ':')
        return false;
    r->at += len + 4;
    return true;
}

static int read_members(struct reader *r, struct rollout_line *ret, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const struct member *m = &members[i];
        void *field = (char *)ret + m->offset;
        if (!take_key(r, m)) {
            if (m->required)
                return err_set(err, ERR_CORRUPT, "has no '%s' where it belongs", m->key);
            continue;
        }
        if (!m->spelling->read(r, m, field))
            return err_set(err, ERR_CORRUPT, "is not as weir writes it: its '%s' %s", m->key,
                           r->wrong);
        if (!m->required && m->spelling->is_empty(field))
            return err_set(err, ERR_CORRUPT, "is not as weir writes it: its '%s' is empty", m->key);
    }
    return r->at == r->text.len ? 0 : err_member(r, err);
}

int rollout_line_parse(struct str text, struct arena *arena, struct rollout_line *ret,
                       struct err *err)
{
    struct rollout_line line = { 0 };
    struct reader r = { .arena = arena };

    if (text.len > ROLLOUT_LINE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "is longer than %u bytes", ROLLOUT_LINE_BYTES_MAX);
    if (check_hash(text, &r.text, &line.entry.hash, err) < 0 || read_members(&r, &line, err) < 0)
        return -1;
    *ret = line;
    return 0;
}

void rollout_line_add_detail(struct str text, struct buf *out)
{
    text = str_trim(text);
    if (text.len > DETAIL_CUT_BYTES) {
        text.len = DETAIL_CUT_BYTES;
        /* Not within a character. */
        while (text.len && ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80)
            text.len--;
    }
    for (size_t i = 0; i < text.len; i++)
        buf_add_byte(out, is_control(text.ptr[i]) ? ' ' : text.ptr[i]);
}
