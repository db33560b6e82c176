/* sim_arrival - calls as a simulation knows them, and where they come from.
 *
 * A call is 64 bytes: when, of which class, how long the recorded answer took, and its tokens.  All
 * that many calls share - who asks for what, where - is a class, kept once.
 */
#ifndef REPLAY_SIM_ARRIVAL_H
#define REPLAY_SIM_ARRIVAL_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "llm/price.h"
#include "llm/provider.h"

#define SIM_CLASSES_MAX 65536
#define SIM_UNKNOWN     UINT32_MAX /* of a duration */

enum sim_arrival_flag {
    SIM_STREAM = 1 << 0,
    SIM_TOKENS = 1 << 1,     /* usage is known */
    SIM_BROKEN = 1 << 2,     /* the recorded answer was 200 and of no use */
    SIM_EVERYWHERE = 1 << 3, /* the recorded failure is the caller's: any target fails so */
    SIM_STALLED = 1 << 4,    /* the recorded answer did not break off, it stopped */
};

struct sim_arrival {
    int64_t at_us; /* Unix time */
    uint32_t class;
    uint32_t first_us, end_us; /* of the recorded answer; SIM_UNKNOWN */
    uint32_t request_bytes;    /* 0 = not known */
    uint32_t user;             /* a hash of the end user, 0 = not known */
    uint32_t tokens[PRICE_PART_COUNT];
    uint16_t status;       /* of a recorded failure */
    uint8_t failure;       /* enum plan_failure; PLAN_FAILURES = it went well */
    uint8_t flags;         /* enum sim_arrival_flag */
    uint32_t answer_bytes; /* 0 = not known */
};

static_assert(sizeof(struct sim_arrival) == 64, "a cache line");

/* Who asks for what.  All strings may be empty. */
struct sim_class {
    struct str app, team, business_unit;
    struct str upstream; /* where the call was sent; the provider's name where that is not known */
    struct str model;    /* asked for */
    struct str answered; /* the model that answered: what is priced */
    struct str tier, geo;
    enum provider provider;
    enum api api;
    bool has_upstream; /* it is one of the caller's configuration, not just a provider's name */
};

struct sim_classes {
    struct map by_key;
    VEC(struct sim_class) list;
    struct arena arena;
};

void sim_classes_release(struct sim_classes *c);
DEFINE_CLEANUP_VALUE(struct sim_classes, sim_classes_release)
/* The number of the class, made if it is new; strings are copied. */
int sim_classes_put(struct sim_classes *c, const struct sim_class *class, uint32_t *ret,
                    struct err *err);
/* "openai", "azure_openai", "anthropic", "gemini", "bedrock", "ollama", as configurations name what
 * an upstream speaks; "" = none of them. */
struct str sim_class_family(const struct sim_class *class);

/* Calls in the order of time. */
struct sim_source {
    /* Up to max of them into list; *ret_count = 0 is the end. */
    int (*fill)(struct sim_source *s, struct sim_arrival *list, size_t max, size_t *ret_count,
                struct err *err);
    void (*free)(struct sim_source *s);
    uint64_t late; /* calls that came out of order by more than is held back: taken as of now */
};

void sim_source_free(struct sim_source *s);
DEFINE_CLEANUP(struct sim_source, sim_source_free)

#endif
