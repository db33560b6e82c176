#include "config.h"

#include "capture/chain.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/timestamp.h"
#include "base/uuid.h"

#define CRC_DIGITS 8

static const char *const kind_names[] = {
    [CHAIN_SEGMENT] = "segment",
    [CHAIN_PRUNE_BODIES] = "prune-bodies",
    [CHAIN_PRUNE_LEDGER] = "prune-ledger",
};
static_assert(ARRAY_LEN(kind_names) == CHAIN_KIND_COUNT, "a name for each kind");

int chain_open(const char *path, struct chain *ret, struct err *err)
{
    struct chain c = { 0 };

    if (file_exists(path) && file_map_open(path, &c.map, err) < 0)
        return -1;
    *ret = c;
    return 0;
}

void chain_close(struct chain *c)
{
    file_map_close(&c->map);
}

static void add_hex(struct buf *out, const uint8_t sha[static SHA256_BYTES])
{
    hex_encode(sha, SHA256_BYTES, buf_reserve(out, SHA256_HEX_BYTES));
    out->len += SHA256_HEX_BYTES - 1;
}

/* The line's text without newline. */
static void add_line(struct buf *out, const struct chain_line *line,
                     const uint8_t previous[static SHA256_BYTES])
{
    size_t start = out->len;

    buf_addf(out, "%" PRIu64 " %s %.*s ", line->number, kind_names[line->kind], STR_ARG(line->id));
    if (line->kind == CHAIN_SEGMENT) {
        buf_addf(out, "%.*s %.*s %" PRIu64 "-%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "%s ",
                 STR_ARG(line->date), STR_ARG(line->writer), line->first_sequence,
                 line->last_sequence, line->exchanges, line->rows, line->writer_exchanges,
                 line->writer_died ? "+" : "");
        add_hex(out, line->segment_sha);
        buf_add_byte(out, ' ');
        add_hex(out, line->ledger_sha);
    } else {
        buf_add_str(out, line->time);
    }
    buf_add_byte(out, ' ');
    add_hex(out, previous);
    buf_add_byte(out, ' ');
    uint32_t crc = crc32c(out->ptr + start, out->len - start);
    buf_addf(out, "%0*" PRIx32, CRC_DIGITS, crc);
}

void chain_format(struct chain *c, const struct chain_line *line, struct buf *out)
{
    struct chain_line numbered = *line;
    size_t start = out->len;

    assert(line->id.len == UUID_TEXT_BYTES - 1);
    numbered.number = c->number + 1;
    add_line(out, &numbered, c->last_sha);
    c->number++;
    sha256_of(str_sub(buf_str(out), start, SIZE_MAX), c->last_sha);
    buf_add_byte(out, '\n');
}

static bool take(struct str *rest, struct str *ret)
{
    return str_split(rest, ' ', ret) && ret->len;
}

static bool take_count(struct str *rest, uint64_t *ret)
{
    struct str word;
    int64_t n;

    if (!take(rest, &word) || !str_to_i64(word, &n) || n < 0)
        return false;
    *ret = (uint64_t)n;
    return true;
}

/* "12", or "12+" of a writer that died. */
static bool take_total(struct str *rest, uint64_t *ret, bool *ret_died)
{
    struct str word;
    int64_t n;

    if (!take(rest, &word))
        return false;
    *ret_died = word.ptr[word.len - 1] == '+';
    if (!str_to_i64(str_sub(word, 0, word.len - *ret_died), &n) || n < 0)
        return false;
    *ret = (uint64_t)n;
    return true;
}

static bool take_range(struct str *rest, uint64_t *ret_first, uint64_t *ret_last)
{
    struct str range;

    if (!take(rest, &range))
        return false;
    ptrdiff_t dash = str_find_char(range, '-', 0);
    int64_t first, last;
    if (dash < 1 || !str_to_i64(str_sub(range, 0, (size_t)dash), &first) ||
        !str_to_i64(str_sub(range, (size_t)dash + 1, SIZE_MAX), &last) || first < 1 || last < first)
        return false;
    *ret_first = (uint64_t)first;
    *ret_last = (uint64_t)last;
    return true;
}

static bool take_sha(struct str *rest, uint8_t ret[static SHA256_BYTES])
{
    struct str hex;

    return take(rest, &hex) && hex_decode(hex, ret, SHA256_BYTES) == 0;
}

/* "2026-10-01", and nothing else that a path could be made of. */
static bool is_date(struct str s)
{
    char text[TIMESTAMP_TEXT_BYTES];
    int64_t us;

    return s.len == 10 && timestamp_parse(s, &us) &&
           str_eq(s, str_from(timestamp_format_date(us, text)));
}

static bool take_segment(struct str *rest, struct chain_line *line)
{
    return take(rest, &line->date) && is_date(line->date) && take(rest, &line->writer) &&
           take_range(rest, &line->first_sequence, &line->last_sequence) &&
           take_count(rest, &line->exchanges) && take_count(rest, &line->rows) &&
           take_total(rest, &line->writer_exchanges, &line->writer_died) &&
           take_sha(rest, line->segment_sha) && take_sha(rest, line->ledger_sha);
}

static bool take_kind(struct str *rest, enum chain_kind *ret)
{
    struct str word;

    if (!take(rest, &word))
        return false;
    for (size_t i = 0; i < CHAIN_KIND_COUNT; i++)
        if (str_eq(word, str_from(kind_names[i]))) {
            *ret = (enum chain_kind)i;
            return true;
        }
    return false;
}

static bool parse(struct str text, struct chain_line *ret,
                  uint8_t ret_previous[static SHA256_BYTES])
{
    struct chain_line line = { 0 };
    struct str rest = text;
    struct uuid id;

    if (!take_count(&rest, &line.number) || !take_kind(&rest, &line.kind) ||
        !take(&rest, &line.id) || !uuid_parse(line.id, &id))
        return false;
    if (line.kind == CHAIN_SEGMENT ? !take_segment(&rest, &line) : !take(&rest, &line.time))
        return false;
    if (!take_sha(&rest, ret_previous))
        return false;
    *ret = line;
    return true;
}

/* What is wrong with a line, or NULL. */
static const char *check(struct chain *c, struct str text, struct chain_line *ret)
{
    CLEANUP(buf_release) struct buf again = { 0 };
    uint8_t previous[SHA256_BYTES];

    if (!parse(text, ret, previous))
        return "cannot be read";
    /* Written again it must be the same: one spelling per line, and its CRC with it. */
    add_line(&again, ret, previous);
    if (!str_eq(buf_str(&again), text))
        return "fails its checksum";
    if (ret->number != c->number + 1)
        return "has the wrong number: lines are missing or moved";
    if (memcmp(previous, c->last_sha, SHA256_BYTES) != 0)
        return "does not follow from the line before: that one was changed";
    return NULL;
}

int chain_next(struct chain *c, struct chain_line *ret, struct err *err)
{
    struct str file = c->map.bytes;
    size_t at = c->at;
    ptrdiff_t end = at < file.len ? str_find_char(file, '\n', at) : -1;

    if (end < 0) {
        c->torn_bytes = file.len - at;
        return 0;
    }
    struct str text = str_sub(file, at, (size_t)end - at);
    const char *why = text.len > CHAIN_LINE_BYTES_MAX ? "is too long" : check(c, text, ret);
    c->at = (size_t)end + 1;
    c->size_bytes = c->at;
    c->number++;
    sha256_of(text, c->last_sha);
    if (why)
        return err_set(err, ERR_CORRUPT, "line %" PRIu64 " at byte %zu %s", c->number, at, why);
    return 1;
}

/* Everything up to the fsync; what of it fails is undone by the caller. */
static int append(int fd, off_t size, struct str lines, struct err *err)
{
    if (ftruncate(fd, size) < 0)
        return err_sys(err, "cannot cut off the torn last line");
    if (lseek(fd, size, SEEK_SET) < 0)
        return err_sys(err, "cannot seek");
    if (fd_write_all(fd, lines, err) < 0)
        return -1;
    return fsync(fd) < 0 ? err_sys(err, "cannot sync") : 0;
}

static int sync_folder(const char *path, struct err *err)
{
    CLEANUP(buf_release) struct buf folder = { 0 };
    const char *slash = strrchr(path, '/');

    buf_addf(&folder, "%.*s", slash ? (int)(slash - path) + 1 : 2, slash ? path : "./");
    return dir_sync(buf_cstr(&folder), err);
}

int chain_append(const char *path, struct chain *c, struct str lines, struct err *err)
{
    off_t size = (off_t)c->size_bytes;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_sys(err, "cannot open '%s'", path);
    int r = append(fd, size, lines, err);
    /* Whole lines that were written and not synced must not be believed by the next reader. */
    if (r < 0 && ftruncate(fd, size) == 0)
        fsync(fd);
    close(fd);
    if (r < 0)
        return err_wrap(err, "'%s'", path);
    c->size_bytes += lines.len;
    /* Also when the file was there: who made it may have died before this. */
    return sync_folder(path, err);
}
