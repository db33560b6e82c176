/* import_record - one record on its way from a file into the journal (private to capture/import).
 *
 * The readers of the three kinds fill a record; import_add takes credentials out, finds the time,
 * the identity and who caused it, and appends it.
 */
#ifndef CAPTURE_IMPORT_RECORD_H
#define CAPTURE_IMPORT_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "capture/exchange.h"
#include "capture/import.h"
#include "capture/import_input.h"

#define IMPORT_LABELS_MAX      64
#define IMPORT_LABEL_BYTES_MAX 1024 /* longer values are cut */

struct import_label {
    struct str name, value;
};

/* What a reader found; strings live in the arena of the import until the next record. */
struct import_record {
    struct str kind;       /* "exchanges", "har", "rows": part of its identity */
    struct str raw;        /* the record's own bytes: the other part */
    struct str content_id; /* given by an export of ours: then the identity */
    bool has_id;           /* x.id was given */
    bool has_time;         /* x.started_us is known */
    struct str url;        /* with credentials; import_add splits it into x */
    struct str credential; /* of a usage row: becomes x.key_id */
    struct str end_user;   /* in clear, where the record says it outside of a body */
    struct exchange x;     /* with credentials in heads and bodies; facts for rows */
    VEC(struct call_header) request_headers;
    VEC(struct call_header) response_headers;
    VEC(struct exchange_chunk) chunks;
    VEC(struct import_label) labels;
};

struct import {
    struct archive *archive;
    const struct key *key;
    int lock;    /* of the archive */
    bool broken; /* the journal could not be written: what it held is given up */
    struct import_options options;
    struct journal_writer *journal; /* made with the first record */
    struct map known;               /* content ids, 32 hex digits */
    struct map occurrences;         /* in the current file: hash of raw to count */
    struct arena arena;             /* of the current record */
    struct import_record record;
    const char *file;          /* the current one */
    struct import_stats stats; /* of the current file */
    uint64_t progress_bytes, progress_records;
};

enum import_result {
    IMPORT_ADDED,
    IMPORT_ALREADY,
    IMPORT_BAD,   /* err says why; reading goes on */
    IMPORT_FATAL, /* the archive cannot be written */
};

/* Empties the record and its arena for the next one. */
struct import_record *import_begin(struct import *im);
enum import_result import_add(struct import *im, struct err *err);
/* import_add, with the outcome counted and reported as of that line; -1 only if IMPORT_FATAL. */
int import_add_at(struct import *im, uint64_t line, struct err *err);
/* Counts and reports a record that could not be read. */
void import_report(struct import *im, uint64_t line, const char *reason);
/* To be called between records. */
void import_progress(struct import *im, const struct import_input *in);

/* Adds a label unless there are too many; value is cut, both are copied. */
void import_label(struct import *im, struct str name, struct str value);

/* Sets one of the members that weir adds to exchange lines and to HAR's `_weir` objects; value is
 * its JSON text.  1 = known and set, 0 = not one of these, -1 = known but not what it should be. */
int import_set_extra(struct import *im, struct str name, struct str value, struct err *err);
/* A JSON string's text, in the arena; false if the value is no string. */
bool import_json_string(struct import *im, struct str value, struct str *ret);
/* The exchange of one JSON object in the format of weir-exchanges(5) into im->record. */
int import_parse_exchange(struct import *im, struct str text, struct err *err);
/* One entry of a HAR file likewise. */
int import_parse_entry(struct import *im, struct str text, struct err *err);

/* Undoes what content encoding is left on the record's bodies.  Those on which one is left that
 * cannot be undone stay as they are, with their *_encoded set; for all others it becomes false. */
void import_undo_encodings(struct import *im);
/* Makes the record's URL one that has a scheme or is a path: a host alone means https. */
int import_settle_url(struct import *im, struct err *err);
/* A settled URL without credentials into the exchange's scheme, host, path and query; a path alone
 * is the host header's. */
void import_split_url(struct import *im, struct str url);

/* The readers: whole files.  0, or -1 if the file cannot be read at all or the archive not be
 * written. */
int import_read_exchanges(struct import *im, struct import_input *in, struct err *err);
int import_read_har(struct import *im, struct import_input *in, struct err *err);
int import_read_rows(struct import *im, struct import_input *in, struct err *err);
/* What a file begins with looks like. */
enum import_kind import_guess(struct str peek);

#endif
