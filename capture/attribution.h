/* attribution - who caused a call: rules from the configuration, first match wins per field.
 *
 * The same rules run where a record is made and, later, over an old ledger: so a rule may look only
 * at what the ledger keeps.  What decides, strongest first, for each field by itself:
 *
 *     1. the first rule that matches and sets the field;
 *     2. the app's own entry (its team, business unit, ...), for the app found so far;
 *     3. what the record said already.
 *
 * A ledger holds end users only as fingerprints (capture/key).  A rule may name one in clear;
 * attribution_set_key turns it into the fingerprint, and until then such a rule matches nothing.
 */
#ifndef CAPTURE_ATTRIBUTION_H
#define CAPTURE_ATTRIBUTION_H

#include <stdbool.h>

#include "base/mem.h"
#include "capture/exchange.h"
#include "capture/key.h"

struct attribution;

/* What rules look at; empty = not known.  Fill from an exchange or from a ledger row. */
struct attribution_input {
    struct str host, path, key_id, user_agent, client_address, upstream, provider, model;
    struct str end_user;       /* fingerprint */
    struct str labels;         /* JSON object: x-weir-app, metadata.*, header.* */
    struct exchange_who given; /* what the record says already; a rule that matches overrides it */
    bool app_is_certain;       /* given.app is proven by a key: no rule overrides that */
};

/* Strings in *ret live as long as a and in. */
void attribution_apply(const struct attribution *a, const struct attribution_input *in,
                       struct exchange_who *ret);

/* Making one (capture/conf does).  X(constant, key of the rule) */
#define ATTRIBUTION_CONDITIONS(X)                                                                  \
    X(PATH_PREFIX, "path_prefix")                                                                  \
    X(HOST, "host")             /* glob, case and port ignored */                                  \
    X(KEY_ID, "key_id")         /* a credential's fingerprint */                                   \
    X(APP_HEADER, "app_header") /* glob over the x-weir-app header */                              \
    X(USER_AGENT, "user_agent") /* glob */                                                         \
    X(NETWORK, "network")       /* CIDR, of the client's address */                                \
    X(UPSTREAM, "upstream")     /* name */                                                         \
    X(PROVIDER, "provider")     /* name or alias */                                                \
    X(MODEL, "model")           /* glob */                                                         \
    X(END_USER, "end_user")     /* in clear, or a fingerprint */                                   \
    X(LABEL, "label")           /* glob over one member of labels */

enum attribution_condition_kind {
#define X(constant, name) ATTRIBUTION_##constant,
    ATTRIBUTION_CONDITIONS(X)
#undef X
        ATTRIBUTION_CONDITION_COUNT
};

/* One thing a rule asks; any of the patterns will do. */
struct attribution_condition {
    enum attribution_condition_kind kind;
    struct str label; /* LABEL: which member */
    const struct str *patterns;
    size_t pattern_count;
};

/* All conditions must hold; without any, the rule always matches. */
struct attribution_rule {
    const struct attribution_condition *conditions;
    size_t condition_count;
    struct exchange_who set; /* empty = the rule says nothing about that field */
};

struct attribution *attribution_new(void);
void attribution_free(struct attribution *a);
DEFINE_CLEANUP(struct attribution, attribution_free)
/* Checks one pattern: ERR_USAGE says what is wrong with it. */
int attribution_check_pattern(enum attribution_condition_kind kind, struct str pattern,
                              struct err *err);
/* Rules in the order they are tried; patterns must have passed the check.  Copied. */
void attribution_add_rule(struct attribution *a, const struct attribution_rule *rule);
/* What an app's calls belong to: is.app is its name.  Copied. */
void attribution_add_app(struct attribution *a, const struct exchange_who *is);
/* Lets rules that name end users in clear work. */
void attribution_set_key(struct attribution *a, const struct key *k);
/* Whether a rule names an end user in clear; without, the key changes nothing. */
bool attribution_needs_key(const struct attribution *a);

/* The lower-case names of request headers that rules ask for as label "header.NAME": whoever makes
 * records keeps these in labels.  Valid as long as a. */
size_t attribution_header_count(const struct attribution *a);
struct str attribution_header(const struct attribution *a, size_t index);
/* Which kinds of conditions any rule has, a bit each. */
uint32_t attribution_conditions(const struct attribution *a);
/* True if a rule looks at provider, model or end user, which take reading the bodies to know. */
bool attribution_needs_call(const struct attribution *a);
/* True if a rule looks at what only the request's body says: the former, or a label "metadata.NAME"
 * (capture/body_labels). */
bool attribution_needs_body(const struct attribution *a);

#endif
