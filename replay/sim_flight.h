/* sim_flight - what a simulation holds: calls under way, what is known of their classes and of each
 * class at each target.  For replay/simulate alone.
 */
#ifndef REPLAY_SIM_FLIGHT_H
#define REPLAY_SIM_FLIGHT_H

#include "policy/admit.h"
#include "policy/rules.h"
#include "replay/sim_attempt.h"
#include "replay/sim_ending.h"
#include "replay/sim_price.h"
#include "replay/sim_queue.h"
#include "replay/sim_quota.h"
#include "replay/simulate.h"

/* A class of calls at one target. */
struct sim_cell {
    const struct sim_speed *speed;
    const struct scenario_scope *scope; /* NULL = nothing ever strikes there */
    const struct sim_quota *quota;      /* NULL = none stated */
    struct sim_price price;
    uint32_t target; /* in the result */
    enum fault_dialect dialect;
    bool is_own; /* where the recorded answers came from */
};

struct sim_class_state {
    struct sim_class is;
    const struct policy_class *policy; /* NULL = not looked at yet */
    uint32_t route, asked, app;
    enum plan_mode mode;
    uint64_t sticky;
    struct sim_cell **cells; /* by target of the policy; the last one: where it asked to go */
};

enum flight_due {
    DUE_ARRIVAL, /* a call that a spike adds */
    DUE_TRY,     /* its caller tries again */
    DUE_FIRST,   /* token */
    DUE_END,     /* of the attempt */
    DUE_WAITED,
    DUE_LEAVE, /* its caller has waited long enough */
};

/* A call under way. */
struct flight {
    struct sim_arrival call;
    uint64_t number;                      /* of the call: its luck */
    int64_t asked_us, leave_us;           /* by its user; when the caller gives up this try */
    int64_t attempt_us, first_us, end_us; /* began; first token and end, as far as it gets */
    struct steer_end end;                 /* how the attempt under way will end */
    int64_t low_pusd, high_pusd, try_pusd;
    uint32_t index, next_free;
    uint32_t target, policy_target; /* in the result; of the policy */
    uint32_t attempts, tries;
    uint32_t met[2]; /* the first and the last incident plus one that struck it or led it away */
    enum flight_due due;
    bool is_broken, may_be_billed, is_rerouted, is_steered, is_admitted, is_waiting, is_unpriced;
    struct steer steer;
};

#define FLIGHT_CHUNK_BITS 8
#define FLIGHT_CHUNK      (1u << FLIGHT_CHUNK_BITS)

struct flight_chunk {
    struct policy_claims *claims; /* NULL = nothing is ever claimed */
    struct flight list[FLIGHT_CHUNK];
};

struct simulation {
    const struct sim_options *o;
    const struct sim_classes *known;
    struct sim_result r;
    struct sim_queue queue;
    VEC(struct flight_chunk *) chunks;
    uint32_t flights, free_list; /* made so far; index + 1 */
    VEC(struct sim_class_state) classes;
    struct policy_state *state;
    struct policy_cache *cache;
    struct price_cache *prices;
    struct sim_endings endings;
    struct sim_quotas quotas;
    struct policy_decisions notes;
    size_t targets; /* of the policy */
    int64_t deadline_us;
    bool admits;        /* the policy has rules of access, limits or budgets */
    bool tells_first;   /* the policy looks at how slow targets are */
    bool reads_answers; /* the gateway looks whether an answer of status 200 is one: weir's own */
    bool has_load;
    uint64_t calls, arrivals;
    /* Of what is being done now. */
    int64_t now_us;
    struct sim_class_state *class;
    struct sim_cell *cell;
};

void simulation_init(struct simulation *sim);
void simulation_release(struct simulation *sim);
DEFINE_CLEANUP_VALUE(struct simulation, simulation_release)
/* Valid until the next call of it. */
struct sim_class_state *simulation_class(struct simulation *sim, uint32_t class);
/* target POLICY_NONE = where the class asked to go. */
struct sim_cell *simulation_cell(struct simulation *sim, struct sim_class_state *class,
                                 uint32_t target);
static inline struct sim_cell *sim_cell_of(struct simulation *sim, struct sim_class_state *class,
                                           uint32_t target)
{
    struct sim_cell *cell = class->cells[target == POLICY_NONE ? sim->targets : target];

    return cell ? cell : simulation_cell(sim, class, target);
}

/* NULL with ERR_LIMIT beyond SIM_IN_FLIGHT_MAX. */
struct flight *flight_new(struct simulation *sim, const struct sim_arrival *call, struct err *err);
void flight_free(struct simulation *sim, struct flight *f);
/* What rules said that says where the call does not go. */
void flight_heed(struct simulation *sim, struct flight *f, const struct policy_decisions *notes);

static inline struct flight *flight_at(const struct simulation *sim, uint32_t index)
{
    return &sim->chunks.ptr[index >> FLIGHT_CHUNK_BITS]->list[index & (FLIGHT_CHUNK - 1)];
}
static inline struct policy_claims *flight_claims(const struct simulation *sim,
                                                  const struct flight *f)
{
    return &sim->chunks.ptr[f->index >> FLIGHT_CHUNK_BITS]->claims[f->index & (FLIGHT_CHUNK - 1)];
}

#endif
