/* actuator_tools - what the drivers of migrate/actuator share: their file, the programs they run,
 * the servers they ask, and the text they write.  For migrate/actuator*.c and their tests alone.
 *
 * Errors begin "actuator 'NAME': ".
 */
#ifndef MIGRATE_ACTUATOR_TOOLS_H
#define MIGRATE_ACTUATOR_TOOLS_H

#include "migrate/actuator.h"

#define ACTUATOR_NAME_BYTES   128               /* of an application, an upstream, a key */
#define ACTUATOR_TIMEOUT_US   INT64_C(30000000) /* of a program, without the setting `timeout` */
#define ACTUATOR_ASK_US       INT64_C(5000000)  /* of a question over a socket */
#define ACTUATOR_OUTPUT_BYTES (64u << 10)       /* of a program, of which nothing is made */

extern const struct actuator_driver actuator_weir, actuator_nginx, actuator_haproxy, actuator_envoy,
    actuator_env, actuator_exec;

int actuator_fail(const struct actuator *a, struct err *err, enum err_code code, const char *fmt,
                  ...) __attribute__((format(printf, 4, 5)));
/* Puts "actuator 'NAME': " before what err says. */
int actuator_wrap(const struct actuator *a, struct err *err);

/* --- settings --- */

/* The path as a C string in ret, relative to the plan's folder. */
const char *actuator_path(const struct actuator *a, const char *name, struct buf *ret);
/* "30s", "2m"; otherwise 0 when it is not set.  ERR_USAGE when it is none or not above 0. */
int actuator_duration(const struct actuator *a, const char *name, int64_t *ret_us, struct err *err);
bool actuator_percent(struct str text, int32_t *ret); /* "5%", "0.25%" */

/* --- the file that the setting `file` names --- */

/* bytes and is_there. */
int actuator_read_file(const struct actuator *a, struct actuator_live *ret, struct err *err);
/* Replaces it, keeping its mode (0644 if new), its owner and the link that leads to it, or removes
 * it; durable when it returns.  Also the same bytes are written anew: who wrote them may have died
 * before they were durable. */
int actuator_write_file(const struct actuator *a, struct str bytes, bool is_there, struct err *err);

/* --- programs --- */

struct actuator_program {
    const char *setting; /* for messages */
    struct str command;  /* of several lines each is an argument; a path alone is a program's,
                            relative to the plan's folder; any other line is /bin/sh's */
    struct str input;
    size_t output_bytes_max;
};
struct actuator_outcome {
    int status; /* of exit */
    struct buf output, complaints;
};
void actuator_outcome_release(struct actuator_outcome *o);
DEFINE_CLEANUP_VALUE(struct actuator_outcome, actuator_outcome_release)
/* Until it has ended, or the setting `timeout` or the time of wait (NULL = none) is over: then it
 * and all it started are ended.  -1 if it cannot be started, takes too long, is killed or says too
 * much; with a NUL after what it wrote. */
int actuator_run(const struct actuator *a, const struct actuator_program *p,
                 const struct actuator_wait *wait, struct actuator_outcome *ret, struct err *err);
/* Runs the command of a setting (or, if it is not set, otherwise; "" = nothing to do), which must
 * end with exit status 0. */
int actuator_command(const struct actuator *a, const char *setting, const char *otherwise,
                     const struct actuator_wait *wait, struct err *err);
/* Fails with what the program complained of: its last lines, without what looks like a key. */
int actuator_complain(const struct actuator *a, const char *setting,
                      const struct actuator_outcome *o, struct err *err);

/* --- servers --- */

/* A GET on a connection of its own, appended to ret.  -1 also for any status but 200. */
int actuator_get(struct str url, size_t max_bytes, struct buf *ret, struct err *err);
/* Sends to a Unix socket and reads until it closes, at most so much, for ACTUATOR_ASK_US. */
int actuator_ask(const char *path, struct str words, size_t max_bytes, struct buf *ret,
                 struct err *err);

/* --- shares as text --- */

/* What a driver takes; beside letters and digits in names. */
struct actuator_rules {
    const char *app, *upstream;
    bool (*takes_key)(struct str key);
    const char *keys; /* which those are, for people */
};
/* Of drivers with rules: their `admits`. */
int actuator_admit(const struct actuator *a, const struct actuator_share *s, struct err *err);
/* "header.NAME" of lower-case letters, digits and '-'. */
bool actuator_header_key(struct str key, struct str *ret_name);
bool actuator_is_marker(struct str text, uint64_t *ret_epoch);

/* A text of lines:
 *
 *     # weir nginx 1 e42-1b2c3d4e5f60: written by weir migrate, see weir-actuator(5)
 *     # app support-bot key header.x-session direct openai gateway litellm
 *     (the driver's lines of this application)
 *     ...
 *     (the driver's last lines)
 *
 * Names in it have no blanks and nothing that any of these formats gives a meaning to: a share that
 * the driver does not admit is refused here again. */
struct actuator_form {
    /* What the program calls an application; two of the same are refused.  NULL = its name. */
    void (*name)(const struct actuator *a, struct str app, struct buf *ret);
    void (*app)(const struct actuator *a, const struct actuator_share *s, struct str name,
                struct buf *out);
    void (*end)(const struct actuator *a, struct str marker, uint64_t epoch, struct buf *out);
    /* s->share of the driver's lines; false = there is none.  What else is in them need not be
     * looked at: reading ends in writing it again, which must give the same. */
    bool (*share)(const struct actuator *a, struct str lines, struct actuator_share *s);
};
/* Of drivers with a form: their `render` and `parse`. */
int actuator_form_write(const struct actuator *a, const struct actuator_share *shares, size_t count,
                        uint64_t epoch, struct buf *ret, struct err *err);
int actuator_form_read(const struct actuator *a, struct str bytes, struct arena *arena,
                       struct actuator_share **ret, size_t *ret_count, uint64_t *ret_epoch,
                       struct err *err);
/* The simplest `app` and `share`: a line "NAME SHARE". */
void actuator_form_add_share(const struct actuator *a, const struct actuator_share *s,
                             struct str name, struct buf *out);
bool actuator_form_share(const struct actuator *a, struct str lines, struct actuator_share *s);
/* The marker of the first line; false = it is not ours. */
bool actuator_form_marker(const struct actuator *a, struct str bytes, struct str *ret);

#endif
