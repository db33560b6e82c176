/* Nothing of a rollout's history may be changed, dropped, moved or half-written unnoticed, and
 * nothing that was acknowledged may be lost. */
#include "config.h"

#include "migrate/rollout.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/vec.h"
#include "migrate/rollout_inside.h"
#include "migrate/rollout_line.h"
#include "tests/cpu_time.h"
#include "tests/rollout_sample.h"

/* Where the lines of a ledger begin, and its end. */
struct lines {
    struct buf file;
    VEC(size_t) from;
};

static void lines_release(struct lines *l)
{
    buf_release(&l->file);
    vec_release(&l->from);
}
DEFINE_CLEANUP_VALUE(struct lines, lines_release)

static void read_lines(struct lines *l)
{
    sample_read(temp_path(SAMPLE_LEDGER), &l->file);
    vec_push(&l->from, 0);
    for (size_t i = 0; i < l->file.len; i++)
        if (l->file.ptr[i] == '\n')
            vec_push(&l->from, i + 1);
}

static size_t line_count(const struct lines *l)
{
    return l->from.len - 1;
}

/* Line i from 0, its newline included. */
static struct str line_of(const struct lines *l, size_t i)
{
    return str_sub(buf_str(&l->file), l->from.ptr[i], l->from.ptr[i + 1] - l->from.ptr[i]);
}

static struct str blob(struct rollout *r, const char *text, char ret[static ROLLOUT_SHA_BYTES])
{
    ck_ok(rollout_put_blob(r, str_from(text), ret, &sample_err));
    return str_from(ret);
}

#define ENTRIES 12

/* A little of everything; entries 3 to 7 are a step. */
static void write_sample(void)
{
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);
    struct rollout_move moves[] = {
        {STR("chat"),                  0, 100},
        { STR("s\"earch \\ \xc3\xa9"), 0, 50 }
    };
    char before[ROLLOUT_SHA_BYTES], after[ROLLOUT_SHA_BYTES], plan[ROLLOUT_SHA_BYTES];
    struct rollout_entry step = { .why = ROLLOUT_ADVANCE,
                                  .before = blob(r, "old\n", before),
                                  .after = blob(r, "new\n", after),
                                  .plan = blob(r, "programme: {}\n", plan),
                                  .moves = moves,
                                  .move_count = 2,
                                  .detail = STR("bake is over: 0 \xe2\x86\x92 1 %") };

    sample_append(r, (struct rollout_entry){ .kind = ROLLOUT_PLANNED, .evidence = step.plan });
    sample_append(r, (struct rollout_entry){ .kind = ROLLOUT_APPROVED,
                                             .actor = STR("ben@host"),
                                             .app = STR("chat"),
                                             .detail = STR("owner") });
    sample_step(r, step, ROLLOUT_COMMITTED);
    sample_append(r, (struct rollout_entry){
                         .kind = ROLLOUT_REHEARSED, .app = STR("chat"), .value = 1234567 });
    sample_append(r, (struct rollout_entry){ .kind = ROLLOUT_HELD,
                                             .app = STR("chat"),
                                             .evidence = step.before,
                                             .detail = STR("inconclusive") });
    sample_move(r, "chat", 100, 0);
    ck_assert_uint_eq(rollout_count(r), ENTRIES);
}

START_TEST(entries_come_back_as_they_were_written)
{
    write_sample();
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_READ);
    const struct rollout_entry *e = rollout_at(r, 2), *planned = rollout_at(r, 0);

    ck_assert_uint_eq(rollout_count(r), ENTRIES);
    ck_assert_uint_eq(rollout_epoch(r), 2);
    ck_assert(e->seq == 3 && e->kind == ROLLOUT_INTENT && e->why == ROLLOUT_ADVANCE);
    ck_assert_int_eq(e->at_us, SAMPLE_US + 2);
    ck_assert(str_eq(e->actor, SAMPLE_USER) && str_eq(e->actuator, STR("edge")));
    ck_assert(e->epoch == 1 && e->move_count == 2);
    ck_assert(str_eq(e->moves[0].app, STR("chat")) && e->moves[0].to == 100);
    ck_assert(str_eq(e->moves[1].app, STR("s\"earch \\ \xc3\xa9")) && e->moves[1].to == 50);
    ck_assert(str_eq(e->plan, planned->evidence) && planned->plan.len == 0);
    ck_assert(str_eq(e->detail, STR("bake is over: 0 \xe2\x86\x92 1 %")));
    ck_assert(str_eq(rollout_at(r, 1)->actor, STR("ben@host")));
    ck_assert_int_eq(rollout_at(r, 6)->value, 1234567);
    ck_assert(str_eq(rollout_head(r), rollout_at(r, ENTRIES - 1)->hash));

    CLEANUP(buf_release) struct buf bytes = { 0 };
    ck_ok(rollout_get_blob(r, e->before, &bytes, &sample_err));
    ck_assert(str_eq(buf_str(&bytes), STR("old\n")));
    ck_assert_uint_eq(sample_verify(""), 0);
}
END_TEST

START_TEST(a_line_read_and_written_again_is_the_same)
{
    CLEANUP(lines_release) struct lines l = { 0 };

    write_sample();
    read_lines(&l);
    for (size_t i = 0; i < line_count(&l); i++) {
        CLEANUP(arena_release) struct arena arena = { 0 };
        CLEANUP(buf_release) struct buf again = { 0 };
        struct rollout_line line;
        struct str text = line_of(&l, i);
        text.len--;
        ck_ok(rollout_line_parse(text, &arena, &line, &sample_err));
        rollout_line_format(&line, &again);
        ck_assert(str_eq(buf_str(&again), text));
    }
}
END_TEST

/* An entry that was appended looks like one that was read. */
START_TEST(what_is_appended_is_there_at_once)
{
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);

    for (int i = 0; i < 300; i++) {
        sample_append(r, (struct rollout_entry){ .kind = ROLLOUT_HELD, .value = i });
        const struct rollout_entry *first = rollout_at(r, 0);
        ck_assert(first->seq == 1 && str_eq(first->actor, SAMPLE_USER));
        ck_assert(str_eq(rollout_head(r), rollout_at(r, (size_t)i)->hash));
    }
    CLEANUP(rollout_close) struct rollout *other = sample_open("r", ROLLOUT_READ);
    ck_assert_uint_eq(rollout_count(other), 300);
    ck_assert(str_eq(rollout_head(other), rollout_head(r)));
}
END_TEST

START_TEST(a_rollout_that_is_not_there_is_empty_to_a_reader)
{
    CLEANUP(rollout_close) struct rollout *r = sample_open("none", ROLLOUT_READ);

    ck_assert_uint_eq(rollout_count(r), 0);
    ck_assert_uint_eq(rollout_epoch(r), 0);
    ck_assert(str_eq(rollout_head(r), str_from(rollout_no_hash)));
    ck_assert(!file_exists(temp_path("none")));
}
END_TEST

/* --- damage --- */

START_TEST(every_flipped_byte_is_found_at_its_entry)
{
    CLEANUP(lines_release) struct lines l = { 0 };
    static const char flips[] = { 0x01, 0x20, (char)0x80 };

    write_sample();
    read_lines(&l);
    for (size_t entry = 1; entry <= line_count(&l); entry++)
        for (size_t at = l.from.ptr[entry - 1]; at < l.from.ptr[entry]; at++)
            for (size_t i = 0; i < ARRAY_LEN(flips); i++) {
                l.file.ptr[at] ^= flips[i];
                sample_write(temp_path(SAMPLE_LEDGER), buf_str(&l.file));
                ck_assert_msg(sample_verify("") == entry, "byte %zu of entry %zu ^ %x", at, entry,
                              flips[i]);
                l.file.ptr[at] ^= flips[i];
            }
    printf("%zu bytes, each flipped in %zu ways\n", l.file.len, ARRAY_LEN(flips));
}
END_TEST

/* Cut between two lines, only an anchor can tell. */
START_TEST(every_truncation_is_found_at_the_first_entry_that_is_not_whole)
{
    CLEANUP(lines_release) struct lines l = { 0 };
    CLEANUP(rollout_audit_release) struct rollout_audit a = { 0 };
    char anchor[ROLLOUT_SHA_BYTES + 30];

    write_sample();
    read_lines(&l);
    ck_ok(rollout_verify(temp_path("r"), STR(""), &a, &sample_err));
    snprintf(anchor, sizeof(anchor), "%d:%s", ENTRIES, a.head);
    ck_assert_uint_eq(sample_verify(anchor), 0);
    ck_assert_uint_eq(sample_verify(a.head), 0);
    for (size_t len = 0; len < l.file.len; len++) {
        size_t whole = 0;
        while (l.from.ptr[whole + 1] <= len)
            whole++;
        sample_write(temp_path(SAMPLE_LEDGER), str_sub(buf_str(&l.file), 0, len));
        ck_assert_uint_eq(sample_verify(""), len == l.from.ptr[whole] ? 0 : whole + 1);
        ck_assert_uint_eq(sample_verify(anchor), whole + 1);
        ck_assert_uint_eq(sample_verify(a.head), whole + 1);
    }
}
END_TEST

/* Writes the lines in the order given; returns the first bad entry. */
static uint64_t verify_order(const struct lines *l, const size_t *order, size_t count)
{
    CLEANUP(buf_release) struct buf file = { 0 };

    for (size_t i = 0; i < count; i++)
        buf_add_str(&file, line_of(l, order[i]));
    sample_write(temp_path(SAMPLE_LEDGER), buf_str(&file));
    return sample_verify("");
}

START_TEST(lines_swapped_dropped_or_doubled_are_found_where_it_begins)
{
    CLEANUP(lines_release) struct lines l = { 0 };
    size_t order[ENTRIES + 1];

    write_sample();
    read_lines(&l);
    for (size_t i = 0; i < ENTRIES; i++)
        for (size_t j = i + 1; j < ENTRIES; j++) {
            for (size_t k = 0; k < ENTRIES; k++)
                order[k] = k == i ? j : k == j ? i : k;
            ck_assert_uint_eq(verify_order(&l, order, ENTRIES), i + 1);
        }
    for (size_t i = 0; i < ENTRIES; i++) {
        for (size_t k = 0; k < ENTRIES + 1; k++)
            order[k] = k > i ? k - 1 : k;
        ck_assert_uint_eq(verify_order(&l, order, ENTRIES + 1), i + 2);
        for (size_t k = 0; k < ENTRIES - 1; k++)
            order[k] = k >= i ? k + 1 : k;
        /* The last one's loss only an anchor can tell. */
        ck_assert_uint_eq(verify_order(&l, order, ENTRIES - 1), i == ENTRIES - 1 ? 0 : i + 1);
    }
}
END_TEST

/* Writes entry i (from 0) anew with another text and a hash that is right. */
static void forge(struct lines *l, size_t i, struct buf *out)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct str text = line_of(l, i);
    struct rollout_line line;

    text.len--;
    ck_ok(rollout_line_parse(text, &arena, &line, &sample_err));
    line.entry.detail = STR("nothing happened");
    buf_clear(out);
    buf_add(out, l->file.ptr, l->from.ptr[i]);
    rollout_line_format(&line, out);
    buf_add_byte(out, '\n');
    buf_add_str(out, str_sub(buf_str(&l->file), l->from.ptr[i + 1], SIZE_MAX));
}

START_TEST(an_entry_written_anew_with_its_hash_is_found)
{
    CLEANUP(lines_release) struct lines l = { 0 };
    CLEANUP(buf_release) struct buf file = { 0 };

    write_sample();
    read_lines(&l);
    for (size_t i = 0; i < ENTRIES - 2; i++) {
        forge(&l, i, &file);
        sample_write(temp_path(SAMPLE_LEDGER), buf_str(&file));
        ck_assert_uint_eq(sample_verify(""), i + 1);
    }
    /* Of the last two, nobody vouches for the second. */
    forge(&l, ENTRIES - 2, &file);
    sample_write(temp_path(SAMPLE_LEDGER), buf_str(&file));
    ck_assert_uint_eq(sample_verify(""), ENTRIES);
}
END_TEST

START_TEST(a_history_written_anew_does_not_have_the_anchor)
{
    CLEANUP(lines_release) struct lines l = { 0 };
    CLEANUP(buf_release) struct buf file = { 0 };
    CLEANUP(rollout_audit_release) struct rollout_audit a = { 0 };
    char anchor[ROLLOUT_SHA_BYTES + 30];

    write_sample();
    read_lines(&l);
    ck_ok(rollout_verify(temp_path("r"), STR(""), &a, &sample_err));
    forge(&l, ENTRIES - 1, &file);
    sample_write(temp_path(SAMPLE_LEDGER), buf_str(&file));
    ck_assert_uint_eq(sample_verify(""), 0);
    snprintf(anchor, sizeof(anchor), "%d:%s", ENTRIES, a.head);
    ck_assert_uint_eq(sample_verify(anchor), ENTRIES);
    ck_assert_uint_eq(sample_verify(a.head), ENTRIES + 1);
    /* An empty history is in every history. */
    snprintf(anchor, sizeof(anchor), "0:%s", rollout_no_hash);
    ck_assert_uint_eq(sample_verify(anchor), 0);
}
END_TEST

static const char *const bad_anchors[] = { "12", "x:y", "12:", "-1:aa", ":", "head" };

START_TEST(what_is_no_anchor_is_refused)
{
    CLEANUP(rollout_audit_release) struct rollout_audit a = { 0 };

    write_sample();
    ck_assert_int_eq(rollout_verify(temp_path("r"), str_from(bad_anchors[_i]), &a, &sample_err),
                     -1);
    ck_assert_int_eq(sample_err.code, ERR_USAGE);
}
END_TEST

/* The first entry that names each of the sample's blobs. */
static const struct {
    const char *bytes;
    uint64_t entry;
} blobs[] = {
    {"programme: {}\n", 1},
    { "old\n",          3},
    { "new\n",          3},
};

START_TEST(a_blob_changed_cut_or_missing_is_found_at_the_first_entry_that_names_it)
{
    struct str bytes = str_from(blobs[_i].bytes);
    char sha[ROLLOUT_SHA_BYTES], path[300];
    uint8_t hash[SHA256_BYTES];

    write_sample();
    sha256_of(bytes, hash);
    snprintf(path, sizeof(path), "%s/r/blobs/%s", temp_folder, hex_encode(hash, sizeof(hash), sha));
    for (size_t at = 0; at < bytes.len; at++) {
        CLEANUP(buf_release) struct buf changed = { 0 };
        buf_add_str(&changed, bytes);
        changed.ptr[at] ^= 1;
        sample_write(path, buf_str(&changed));
        ck_assert_uint_eq(sample_verify(""), blobs[_i].entry);
        sample_write(path, str_sub(bytes, 0, at));
        ck_assert_uint_eq(sample_verify(""), blobs[_i].entry);
    }
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_uint_eq(sample_verify(""), blobs[_i].entry);
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);
    CLEANUP(buf_release) struct buf back = { 0 };
    ck_assert_int_eq(rollout_get_blob(r, str_from(sha), &back, &sample_err), -1);
    /* Whoever has the bytes makes it whole again. */
    ck_ok(rollout_put_blob(r, bytes, sha, &sample_err));
    ck_assert_uint_eq(sample_verify(""), 0);
}
END_TEST

START_TEST(a_ledger_that_is_gone_is_missed_where_there_are_blobs)
{
    ck_assert_uint_eq(sample_verify(""), 0);
    write_sample();
    ck_assert_int_eq(unlink(temp_path(SAMPLE_LEDGER)), 0);
    ck_assert_uint_eq(sample_verify(""), 1);
}
END_TEST

START_TEST(what_is_no_sha_is_no_blob_and_no_path)
{
    static const char *const names[] = { "", "../rollout.jsonl", "a" };
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);
    CLEANUP(buf_release) struct buf bytes = { 0 };
    char upper[ROLLOUT_SHA_BYTES];

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        ck_assert_int_eq(rollout_get_blob(r, str_from(names[i]), &bytes, &sample_err), -1);
    blob(r, "a", upper);
    upper[0] = 'C'; /* ca97... */
    ck_assert_int_eq(rollout_get_blob(r, str_from(upper), &bytes, &sample_err), -1);
    ck_assert_int_eq(sample_err.code, ERR_CORRUPT);
}
END_TEST

/* What opening says of damage is what verify says. */
START_TEST(a_damaged_history_is_not_opened)
{
    CLEANUP(lines_release) struct lines l = { 0 };
    struct rollout *r = NULL;

    write_sample();
    read_lines(&l);
    l.file.ptr[l.from.ptr[5] + 20] ^= 1;
    sample_write(temp_path(SAMPLE_LEDGER), buf_str(&l.file));
    for (enum rollout_mode mode = ROLLOUT_READ; mode <= ROLLOUT_WRITE; mode++) {
        ck_assert_int_eq(rollout_open(temp_path("r"), mode, SAMPLE_USER, 0, &r, &sample_err), -1);
        ck_assert_int_eq(sample_err.code, ERR_CORRUPT);
        ck_assert_msg(strstr(sample_err.text, "entry 6: was changed") != NULL, "%s",
                      sample_err.text);
    }
    CLEANUP(buf_release) struct buf after = { 0 };
    sample_read(temp_path(SAMPLE_LEDGER), &after);
    ck_assert(str_eq(buf_str(&after), buf_str(&l.file)));
}
END_TEST

/* --- limits --- */

START_TEST(names_and_moves_up_to_their_limits_are_written)
{
    static struct rollout_move moves[ROLLOUT_MOVES_MAX + 1];
    static char names[ROLLOUT_MOVES_MAX + 1][256];
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);

    for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
        memset(names[i], '"', 255); /* which takes two bytes each */
        snprintf(names[i], 7, "%06zu", i);
        names[i][6] = '-';
        moves[i] = (struct rollout_move){ str_from(names[i]), 0, ROLLOUT_ALL };
    }
    struct rollout_entry e = { .why = ROLLOUT_ADVANCE,
                               .moves = moves,
                               .move_count = ROLLOUT_MOVES_MAX + 1,
                               .actuator = STR("edge"),
                               .epoch = 1,
                               .kind = ROLLOUT_INTENT };
    ck_assert_int_eq(rollout_append(r, &e, &sample_err), -1);
    for (size_t i = 0; i < ARRAY_LEN(moves); i++)
        memset(names[i] + 6, 'x', 249);
    ck_assert_int_eq(rollout_append(r, &e, &sample_err), -1);
    ck_assert_ptr_nonnull(strstr(sample_err.text, "more moves than a step may have"));
    e.move_count = ROLLOUT_MOVES_MAX;
    e.epoch = 0;
    sample_step(r, e, ROLLOUT_COMMITTED);
    e = (struct rollout_entry){ .kind = ROLLOUT_HELD };
    char name[257];
    memset(name, 'n', 256);
    e.app = (struct str){ name, 256 };
    ck_assert_int_eq(rollout_append(r, &e, &sample_err), -1);
    e.app.len = 255;
    sample_append(r, e);
    ck_assert_uint_eq(sample_verify(""), 0);
}
END_TEST

START_TEST(a_detail_becomes_one_line_of_utf8_that_fits)
{
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);
    CLEANUP(buf_release) struct buf text = { 0 };

    sample_append(r, (struct rollout_entry){ .kind = ROLLOUT_HELD,
                                             .detail = STR(" one\ntwo\ttab\x7f \xff end\n") });
    ck_assert(str_eq(rollout_at(r, 0)->detail, STR("one two tab  \xef\xbf\xbd end")));
    for (int i = 0; i < 5000; i++)
        buf_add_text(&text, "\xc3\xa9");
    sample_append(r, (struct rollout_entry){ .kind = ROLLOUT_HELD, .detail = buf_str(&text) });
    ck_assert_uint_eq(rollout_at(r, 1)->detail.len, 4096);
    memset(text.ptr, 0xff, text.len);
    sample_append(r, (struct rollout_entry){ .kind = ROLLOUT_HELD, .detail = buf_str(&text) });
    ck_assert_uint_eq(sample_verify(""), 0);
}
END_TEST

/* --- writers --- */

START_TEST(a_second_writer_is_refused_until_the_first_has_gone)
{
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);
    struct rollout *second = NULL;

    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(
            rollout_open(temp_path("r"), ROLLOUT_WRITE, SAMPLE_USER, 0, &second, &sample_err), -1);
        ck_assert_int_eq(sample_err.code, ERR_LIMIT);
        ck_assert_int_eq(sample_err.sys, EWOULDBLOCK);
    }
    /* Readers are not in the way, and none of theirs. */
    CLEANUP(rollout_close) struct rollout *reader = sample_open("r", ROLLOUT_READ);
    ck_assert_int_eq(
        rollout_append(reader, &(struct rollout_entry){ .kind = ROLLOUT_HELD }, &sample_err), -1);
    sample_append(r, (struct rollout_entry){ .kind = ROLLOUT_HELD });
    ck_assert_uint_eq(sample_verify(""), 0);
    rollout_close(TAKE(r));
    second = sample_open("r", ROLLOUT_WRITE);
    sample_append(second, (struct rollout_entry){ .kind = ROLLOUT_HELD });
    rollout_close(second);
}
END_TEST

START_TEST(a_writer_that_dies_leaves_no_lock)
{
    int pipe_fds[2];
    char byte;

    ck_assert_int_eq(pipe(pipe_fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct rollout *r = NULL;
        struct err err;
        if (rollout_open(temp_path("r"), ROLLOUT_WRITE, SAMPLE_USER, 0, &r, &err) < 0 ||
            write(pipe_fds[1], "x", 1) != 1)
            _exit(1);
        pause();
    }
    ck_assert_int_eq(read(pipe_fds[0], &byte, 1), 1);
    struct rollout *r = NULL;
    ck_assert_int_eq(rollout_open(temp_path("r"), ROLLOUT_WRITE, SAMPLE_USER, 0, &r, &sample_err),
                     -1);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    r = sample_open("r", ROLLOUT_WRITE);
    rollout_close(r);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}
END_TEST

/* git, or somebody who edits: lines would go to a file that has no name any more. */
START_TEST(a_ledger_that_was_replaced_meanwhile_is_not_written)
{
    write_sample();
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);
    CLEANUP(buf_release) struct buf file = { 0 };
    struct rollout_entry e = { .kind = ROLLOUT_HELD };

    sample_read(temp_path(SAMPLE_LEDGER), &file);
    ck_ok(file_replace(temp_path(SAMPLE_LEDGER), buf_str(&file), 0600, &sample_err));
    ck_assert_int_eq(rollout_append(r, &e, &sample_err), -1);
    ck_assert_int_eq(sample_err.code, ERR_CORRUPT);
    ck_assert_int_eq(rollout_append(r, &e, &sample_err), -1);
    rollout_close(TAKE(r));
    r = sample_open("r", ROLLOUT_WRITE);
    ck_assert_uint_eq(rollout_count(r), ENTRIES);
}
END_TEST

START_TEST(an_entry_that_has_no_room_leaves_no_trace)
{
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);
    struct rollout_move move = { STR("chat"), 0, 100 };
    struct rollout_entry e = { .kind = ROLLOUT_INTENT,
                               .why = ROLLOUT_ADVANCE,
                               .actuator = STR("edge"),
                               .epoch = 1,
                               .moves = &move,
                               .move_count = 1 };
    size_t size_bytes;

    sample_append(r, (struct rollout_entry){ .kind = ROLLOUT_HELD });
    size_bytes = r->size_bytes;
    r->size_bytes = ROLLOUT_FILE_BYTES_MAX - 10; /* as if it were that full */
    ck_assert_int_eq(rollout_append(r, &e, &sample_err), -1);
    ck_assert_int_eq(sample_err.code, ERR_LIMIT);
    r->size_bytes = size_bytes;
    ck_assert_uint_eq(rollout_epoch(r), 0);
    sample_append(r, e); /* nothing of it is open already */
    ck_assert_uint_eq(rollout_count(r), 2);
}
END_TEST

/* --- what a crash leaves --- */

START_TEST(a_torn_last_line_is_put_away_wherever_it_is_torn)
{
    CLEANUP(lines_release) struct lines l = { 0 };
    size_t last;

    write_sample();
    read_lines(&l);
    last = l.from.ptr[ENTRIES - 1];
    for (size_t len = last + 1; len < l.file.len; len++) {
        struct str torn = str_sub(buf_str(&l.file), last, len - last);
        CLEANUP(buf_release) struct buf kept = { 0 };
        sample_write(temp_path(SAMPLE_LEDGER), str_sub(buf_str(&l.file), 0, len));
        CLEANUP(rollout_close) struct rollout *reader = sample_open("r", ROLLOUT_READ);
        ck_assert_uint_eq(rollout_count(reader), ENTRIES - 1);
        CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);
        ck_assert_uint_eq(rollout_count(r), ENTRIES);
        const struct rollout_entry *e = rollout_at(r, ENTRIES - 1);
        ck_assert(e->kind == ROLLOUT_RECOVERED && e->value == (int64_t)torn.len);
        ck_ok(rollout_get_blob(r, e->evidence, &kept, &sample_err));
        ck_assert(str_eq(buf_str(&kept), torn));
        sample_append(r, (struct rollout_entry){ .kind = ROLLOUT_HELD });
        rollout_close(TAKE(r));
        ck_assert_uint_eq(sample_verify(""), 0);
    }
}
END_TEST

/* Half a line of a writer that is at it, or one whose end somebody cut. */
START_TEST(a_line_without_an_end_is_a_finding_only_when_nobody_writes)
{
    CLEANUP(lines_release) struct lines l = { 0 };
    CLEANUP(rollout_close) struct rollout *r = NULL;

    write_sample();
    read_lines(&l);
    r = sample_open("r", ROLLOUT_WRITE);
    sample_write(temp_path(SAMPLE_LEDGER), str_sub(buf_str(&l.file), 0, l.file.len - 3));
    ck_assert_uint_eq(sample_verify(""), 0);
    rollout_close(TAKE(r));
    ck_assert_uint_eq(sample_verify(""), ENTRIES);
}
END_TEST

START_TEST(more_than_a_line_without_an_end_is_no_tear)
{
    CLEANUP(buf_release) struct buf file = { 0 };
    struct rollout *r = NULL;

    buf_reserve(&file, ROLLOUT_LINE_BYTES_MAX + 1);
    memset(file.ptr, 'x', ROLLOUT_LINE_BYTES_MAX + 1);
    file.len = ROLLOUT_LINE_BYTES_MAX + 1;
    ck_ok(dir_make(temp_path("r"), &sample_err));
    sample_write(temp_path(SAMPLE_LEDGER), buf_str(&file));
    ck_assert_int_eq(rollout_open(temp_path("r"), ROLLOUT_WRITE, SAMPLE_USER, 0, &r, &sample_err),
                     -1);
    ck_assert_int_eq(sample_err.code, ERR_CORRUPT);
    file.len--;
    sample_write(temp_path(SAMPLE_LEDGER), buf_str(&file));
    r = sample_open("r", ROLLOUT_WRITE);
    ck_assert_int_eq(rollout_at(r, 0)->kind, ROLLOUT_RECOVERED);
    rollout_close(r);
}
END_TEST

START_TEST(what_dead_writers_left_is_cleared_and_git_leaves_the_bytes_alone)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    write_sample();
    sample_write(temp_path("r/.rollout.jsonl.abcdef.tmp"), STR("x"));
    sample_write(temp_path("r/blobs/.aa.abcdef.tmp"), STR("x"));
    rollout_close(sample_open("r", ROLLOUT_WRITE));
    ck_assert(!file_exists(temp_path("r/.rollout.jsonl.abcdef.tmp")));
    ck_assert(!file_exists(temp_path("r/blobs/.aa.abcdef.tmp")));
    sample_read(temp_path("r/.gitattributes"), &text);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "* -text\n"));
    sample_read(temp_path("r/.gitignore"), &text);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "rollout.lock\n"));
}
END_TEST

/* --- size --- */

#define LARGE_ENTRIES 50000
/* Measured 75 ms on a busy machine; a fold over lines that is not linear takes minutes. */
#define LARGE_US INT64_C(3000000)

/* As rollout_append would, but for its fsyncs. */
static void write_large(void)
{
    CLEANUP(buf_release) struct buf file = { 0 };
    char prev[ROLLOUT_SHA_BYTES];
    struct rollout_line line = {
        .prev = {prev, ROLLOUT_SHA_BYTES - 1}
    };

    memcpy(prev, rollout_no_hash, sizeof(prev));
    for (uint64_t i = 0; i < LARGE_ENTRIES; i++) {
        char app[20];
        struct rollout_move move = {
            {app, (size_t)snprintf(app, sizeof(app), "app-%04d", (int)(i / 5 % 1000))},
            (int32_t)(i / 5000),
            (int32_t)(i / 5000) + 1
        };
        static const enum rollout_kind kinds[] = { ROLLOUT_JUDGED, ROLLOUT_INTENT, ROLLOUT_APPLIED,
                                                   ROLLOUT_VERIFIED, ROLLOUT_COMMITTED };
        line.entry =
            (struct rollout_entry){ .seq = i + 1,
                                    .at_us = SAMPLE_US + (int64_t)i,
                                    .kind = kinds[i % 5],
                                    .actor = SAMPLE_USER,
                                    .actuator = STR("edge"),
                                    .epoch = i / 5 + 1,
                                    .detail = STR("between 0.8 and 1.1 times the errors") };
        if (i % 5 == 1) {
            line.entry.why = ROLLOUT_ADVANCE;
            line.entry.moves = &move;
            line.entry.move_count = 1;
        }
        size_t from = file.len;
        rollout_line_format(&line, &file);
        memcpy(prev, file.ptr + file.len - 2 - (ROLLOUT_SHA_BYTES - 1), ROLLOUT_SHA_BYTES - 1);
        ck_assert_uint_gt(file.len, from);
        buf_add_byte(&file, '\n');
    }
    ck_ok(dir_make(temp_path("r"), &sample_err));
    sample_write(temp_path(SAMPLE_LEDGER), buf_str(&file));
}

START_TEST(fifty_thousand_entries_are_opened_in_a_moment)
{
    write_large();
    int64_t from_us = cpu_time_us();
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_READ);
    int64_t us = cpu_time_us() - from_us;

    printf("%d entries opened in %lld ms\n", LARGE_ENTRIES, (long long)us / 1000);
    ck_assert_uint_eq(rollout_count(r), LARGE_ENTRIES);
    ck_assert_int_lt(us, LARGE_US);
}
END_TEST

static void add_damage_tests(TCase *tc)
{
    tcase_add_test(tc, every_flipped_byte_is_found_at_its_entry);
    tcase_add_test(tc, every_truncation_is_found_at_the_first_entry_that_is_not_whole);
    tcase_add_test(tc, lines_swapped_dropped_or_doubled_are_found_where_it_begins);
    tcase_add_test(tc, an_entry_written_anew_with_its_hash_is_found);
    tcase_add_test(tc, a_history_written_anew_does_not_have_the_anchor);
    tcase_add_loop_test(tc, what_is_no_anchor_is_refused, 0, ARRAY_LEN(bad_anchors));
    tcase_add_loop_test(tc, a_blob_changed_cut_or_missing_is_found_at_the_first_entry_that_names_it,
                        0, ARRAY_LEN(blobs));
    tcase_add_test(tc, a_ledger_that_is_gone_is_missed_where_there_are_blobs);
    tcase_add_test(tc, what_is_no_sha_is_no_blob_and_no_path);
    tcase_add_test(tc, a_damaged_history_is_not_opened);
}

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_test(tc, entries_come_back_as_they_were_written);
    tcase_add_test(tc, a_line_read_and_written_again_is_the_same);
    tcase_add_test(tc, what_is_appended_is_there_at_once);
    tcase_add_test(tc, a_rollout_that_is_not_there_is_empty_to_a_reader);
    add_damage_tests(tc);
    tcase_add_test(tc, names_and_moves_up_to_their_limits_are_written);
    tcase_add_test(tc, a_detail_becomes_one_line_of_utf8_that_fits);
    tcase_add_test(tc, a_second_writer_is_refused_until_the_first_has_gone);
    tcase_add_test(tc, a_writer_that_dies_leaves_no_lock);
    tcase_add_test(tc, a_ledger_that_was_replaced_meanwhile_is_not_written);
    tcase_add_test(tc, an_entry_that_has_no_room_leaves_no_trace);
    tcase_add_test(tc, a_torn_last_line_is_put_away_wherever_it_is_torn);
    tcase_add_test(tc, a_line_without_an_end_is_a_finding_only_when_nobody_writes);
    tcase_add_test(tc, more_than_a_line_without_an_end_is_no_tear);
    tcase_add_test(tc, what_dead_writers_left_is_cleared_and_git_leaves_the_bytes_alone);
    tcase_add_test(tc, fifty_thousand_entries_are_opened_in_a_moment);
}

CHECK_MAIN("migrate/rollout", add_tests)
