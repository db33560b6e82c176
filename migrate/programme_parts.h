/* programme_parts - reading a plan by tables of its keys: for programme_*.c alone, and for the
 * tests that hold the manual to the tables. */
#ifndef MIGRATE_PROGRAMME_PARTS_H
#define MIGRATE_PROGRAMME_PARTS_H

#include "base/timestamp.h"
#include "base/yaml.h"
#include "migrate/programme.h"

#define PROGRAMME_NAMES_MAX    1000 /* of one list */
#define PROGRAMME_NAME_BYTES   128  /* of an application, a wave, an actuator */
#define PROGRAMME_SECTIONS_MAX 1000 /* entries of a section other than apps */
#define PROGRAMME_WEEKS_BEFORE 52   /* weekly freezes are there from so long before the start */
#define PROGRAMME_WEEKS        520  /* for so long */
#define PROGRAMME_MILLION      INT64_C(1000000)

/* What a value is, and what it is read into. */
enum programme_type {
    PROGRAMME_TEXT,     /* struct str */
    PROGRAMME_PATH,     /* struct str: made relative to where the program runs */
    PROGRAMME_NAMES,    /* struct programme_names: a string or a list of them */
    PROGRAMME_DATE,     /* int64_t: the beginning of a day, or a moment */
    PROGRAMME_UNTIL,    /* int64_t: the end of a day, or a moment */
    PROGRAMME_DURATION, /* int64_t, us */
    PROGRAMME_SHARE,    /* int32_t, of ROLLOUT_ALL */
    PROGRAMME_PART,     /* int64_t, millionths */
    PROGRAMME_CHANCE,   /* double, between 0 and 1 */
    PROGRAMME_RATIO,    /* double, at least 1 */
    PROGRAMME_COUNT,    /* int64_t, not negative */
    PROGRAMME_BOOL,     /* bool */
    PROGRAMME_MAP,      /* of keys, into the same struct */
    PROGRAMME_ALSO,     /* not a key: those of another table are keys here, too */
    PROGRAMME_OTHER,    /* read says what */
};

struct programme_reader {
    struct programme *p;
    const struct yaml *y;
    const char *folder;
    struct programme_wave *waves; /* the programme's own, while they can be changed */
    struct programme_app *apps;
    struct err *err;
};

struct programme_key {
    const char *name; /* NULL ends a table */
    enum programme_type type;
    size_t offset;                    /* in the struct that the table is of */
    const char *help;                 /* one line, no full stop */
    const struct programme_key *keys; /* of a MAP, or of the maps that OTHER holds */
    int (*read)(struct programme_reader *r, const struct yaml_node *n, void *to); /* OTHER */
};

/* Rows of a table. */
#define KEY(name, type, at, help)                                                                  \
    {                                                                                              \
        name, PROGRAMME_##type, at, help, NULL, NULL                                               \
    }
#define KEY_MAP(name, help, keys)                                                                  \
    {                                                                                              \
        name, PROGRAMME_MAP, 0, help, keys, NULL                                                   \
    }
#define KEY_READ(name, at, help, keys, read)                                                       \
    {                                                                                              \
        name, PROGRAMME_OTHER, at, help, keys, read                                                \
    }
#define KEY_ALSO(keys)                                                                             \
    {                                                                                              \
        "", PROGRAMME_ALSO, 0, "", keys, NULL                                                      \
    }
#define KEY_END                                                                                    \
    {                                                                                              \
        NULL, PROGRAMME_OTHER, 0, NULL, NULL, NULL                                                 \
    }

/* The top level, for the manual's test. */
const struct programme_key *programme_keys(void);

/* Every key known and every value of its type, into the struct at `to`. */
int programme_read_map(struct programme_reader *r, const struct yaml_node *n,
                       const struct programme_key *keys, void *to);
/* "expected WANTED, got ..." at n. */
int programme_wrong(const struct programme_reader *r, const struct yaml_node *n,
                    const char *wanted);
int programme_want(const struct programme_reader *r, const struct yaml_node *n, enum yaml_kind kind,
                   size_t most, const char *wanted);
int programme_read_text(struct programme_reader *r, const struct yaml_node *n, struct str *ret);
int programme_read_names(struct programme_reader *r, const struct yaml_node *n,
                         struct programme_names *ret);
int programme_read_share(const struct programme_reader *r, const struct yaml_node *n, int32_t *ret);
int programme_read_duration(const struct programme_reader *r, const struct yaml_node *n,
                            int64_t *ret);
/* A moment; of a day without a time its beginning, or its end. */
int programme_read_time(const struct programme_reader *r, const struct yaml_node *n,
                        bool end_of_day, int64_t *ret);
int programme_read_path(struct programme_reader *r, const struct yaml_node *n, struct str *ret);
int programme_read_choice(const struct programme_reader *r, const struct yaml_node *n,
                          const char *const *names, int *ret);
/* What a thing is called: of what kind goes into the message. */
int programme_check_name(const struct programme_reader *r, const struct yaml_node *n,
                         const char *kind);
/* "'x' is not in SECTION: did you mean ...". */
struct nearest;
int programme_no_such(const struct programme_reader *r, const struct yaml_node *n,
                      const char *section, const struct nearest *near);
struct programme_place programme_place(const struct yaml_node *n);
/* The list of freezes, weekly ones as the moments they come to; after the start is read. */
int programme_read_freezes(struct programme_reader *r, const struct yaml_node *n, void *to);
extern const struct programme_key programme_freeze_keys[];
/* The rows of apps, in the document's order; defaults may be NULL. */
int programme_read_apps(struct programme_reader *r, const struct yaml_node *defaults,
                        const struct yaml_node *apps);
extern const struct programme_key programme_default_keys[], programme_app_keys[];

#endif
