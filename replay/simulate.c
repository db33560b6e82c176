#include "config.h"

#include "replay/simulate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/timestamp.h"
#include "replay/sim_flight.h"
#include "replay/sim_random.h"

#define BATCH       512
#define FETCH_BYTES 640 /* of a flight: itself and the beginning of its walk */

/* --- attempts --- */

static const struct steer_end *ending_of(void *ctx, const struct fault *f)
{
    struct simulation *sim = ctx;

    return sim_ending_of(&sim->endings, f, sim->cell->dialect, sim->class->is.api);
}

/* What chance depends on: the attempt's number at its upstream, as it is on the wire; or, so that
 * configurations that are compared have the same luck, the call's. */
static uint64_t number_for_chance(const struct simulation *sim, const struct flight *f,
                                  const struct sim_cell *c)
{
    const struct sim_target *targets = sim->r.targets.ptr;
    uint64_t before = 0;

    if (!sim->o->as_served)
        return sim_draw(f->number, f->attempts, SIM_DRAW_FAULT);
    for (size_t i = 0; i < sim->r.targets.len; i++)
        if (str_eq(targets[i].upstream, targets[c->target].upstream))
            before += targets[i].attempts;
    return before;
}

/* Faults that strike this attempt now; those that are quotas are asked here. */
static size_t draw_faults(struct simulation *sim, const struct flight *f, const struct sim_cell *c,
                          struct fault ret[SCENARIO_DRAWN_MAX])
{
    const struct sim_options *o = sim->o;

    if (!c->scope)
        return 0;
    return scenario_draw_scoped(o->scenario, c->scope, o->seed, sim->now_us - o->start_us,
                                f->call.flags & SIM_STREAM, number_for_chance(sim, f, c), ret);
}

static int64_t tokens_of(const struct sim_arrival *call)
{
    int64_t sum = 0;

    for (size_t i = 0; i < PRICE_PART_COUNT; i++)
        sum += call->tokens[i];
    return sum;
}

static bool has_ending_fault(const struct fault *faults, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (faults[i].kind->stage != FAULT_QUOTA && faults[i].kind->stage != FAULT_PACE)
            return true;
    return false;
}

/* 429 at once, if the target's own limits are reached. */
static bool is_over_quota(struct simulation *sim, struct flight *f, const struct fault *faults,
                          size_t count, struct sim_attempt *ret)
{
    struct sim_cell *c = sim->cell;
    struct sim_quota_ask ask = { .target = f->target,
                                 .now_us = sim->now_us,
                                 .tokens = tokens_of(&f->call),
                                 .stated = c->quota,
                                 .faults = faults,
                                 .fault_count = count,
                                 .refused_anyway = has_ending_fault(faults, count) };
    int64_t wait_us = -1;

    const struct fault *quota = sim_quotas_take(&sim->quotas, &ask, &wait_us);
    if (!quota || ask.refused_anyway)
        return false;
    *ret = (struct sim_attempt){
        .first_us = PLAN_FOREVER,
        .end = *sim_ending_of(&sim->endings, quota, c->dialect, sim->class->is.api),
        .is_struck = quota->index != UINT32_MAX,
    };
    ret->end.retry_after_us = wait_us;
    sim->r.targets.ptr[f->target].over_quota++;
    return true;
}

static void begin_incident(struct simulation *sim, uint32_t target)
{
    const struct sim_options *o = sim->o;
    struct sim_target *t = &sim->r.targets.ptr[target];
    struct incident stretch = { .from_us = o->start_us, .until_us = PLAN_FOREVER };
    struct scenario_stretch s;

    if (o->scenario) {
        scenario_stretch_of(o->scenario, t->upstream, t->model, sim->now_us - o->start_us, &s);
        stretch.from_us = plan_add_us(o->start_us, s.from_us);
        stretch.until_us = plan_add_us(o->start_us, s.until_us);
        stretch.goes_on = s.goes_on;
    }
    incidents_begin(&sim->r.incidents, target, &t->incident_plus_one, sim->now_us, &stretch);
}

static void note_struck(struct simulation *sim, struct flight *f)
{
    if (!sim_result_struck(&sim->r, f->target, sim->now_us))
        begin_incident(sim, f->target);
    uint32_t incident = sim->r.targets.ptr[f->target].incident_plus_one;
    f->met[0] = f->met[0] ? f->met[0] : incident;
    f->met[1] = incident;
}

/* Something is due for f, or its caller leaves before that. */
static void schedule(struct simulation *sim, struct flight *f, enum flight_due due, int64_t at_us)
{
    bool has_begun = due == DUE_END && f->call.flags & SIM_STREAM && f->first_us <= f->leave_us;

    f->due = due;
    if (has_begun && at_us == PLAN_FOREVER) { /* a stream that hangs: nothing comes for so long */
        at_us = plan_add_us(f->first_us, sim->deadline_us);
        f->due = DUE_LEAVE;
    }
    if (due != DUE_TRY && due != DUE_ARRIVAL && at_us > f->leave_us && !has_begun) {
        at_us = f->leave_us;
        f->due = DUE_LEAVE;
    }
    sim_queue_push(&sim->queue, at_us, f->index);
}

static void begin_attempt(struct simulation *sim, struct flight *f, uint32_t target,
                          const int64_t *timer_us)
{
    struct fault faults[SCENARIO_DRAWN_MAX];
    struct sim_attempt attempt;
    struct sim_cell *c = sim_cell_of(sim, sim->class, target);
    size_t count = draw_faults(sim, f, c, faults);

    f->target = c->target;
    f->policy_target = target;
    f->attempt_us = sim->now_us;
    sim_result_attempt(&sim->r, c->target, sim->now_us);
    sim->cell = c;
    bool has_quota = c->quota || count;
    if (!has_quota || !is_over_quota(sim, f, faults, count, &attempt)) {
        const struct sim_attempt_in in = {
            .call = &f->call,
            .speed = c->speed,
            .is_own = c->is_own,
            .is_first = f->attempts == 0,
            .holds_first = f->is_steered,
            .reads_answers = f->is_steered && sim->reads_answers,
            .timer_us = timer_us,
            .faults = faults,
            .fault_count = count,
            .ending = ending_of,
            .ctx = sim,
            .seed = sim->o->seed,
            .number = f->number * STEER_ATTEMPTS_MAX + f->attempts,
        };
        sim_attempt(&in, &attempt);
    }
    f->attempts++;
    f->end = attempt.end;
    f->is_broken = attempt.is_broken;
    f->may_be_billed = attempt.may_be_billed;
    f->first_us = plan_add_us(sim->now_us, attempt.first_us);
    if (attempt.is_struck)
        note_struck(sim, f);
    if (sim->tells_first && f->is_steered && f->call.flags & SIM_STREAM &&
        attempt.first_us != PLAN_FOREVER) {
        f->end_us = plan_add_us(sim->now_us, attempt.end_us);
        schedule(sim, f, DUE_FIRST, f->first_us);
        return;
    }
    if (attempt.first_us != PLAN_FOREVER)
        f->end.first_token_us = attempt.first_us;
    schedule(sim, f, DUE_END, plan_add_us(sim->now_us, attempt.end_us));
}

/* --- tries of a caller --- */

/* Releases what the call holds, and says what it used. */
static void settle(struct simulation *sim, struct flight *f, bool went_well)
{
    if (!f->is_admitted)
        return;
    struct policy_used used = { 0 };
    if (went_well)
        used = (struct policy_used){ tokens_of(&f->call), policy_nusd(f->try_pusd) };
    if (went_well && !(f->call.flags & SIM_TOKENS))
        used = (struct policy_used){ -1, -1 };
    policy_settle(sim->o->policy, sim->state, flight_claims(sim, f), &used, sim->now_us);
    f->is_admitted = false;
}

static void finish_call(struct simulation *sim, struct flight *f, enum sim_outcome outcome)
{
    struct sim_done done = {
        .app = sim->class->app,
        .outcome = outcome,
        .tries = f->tries,
        .attempts = f->attempts,
        .rerouted = f->is_rerouted,
        .unpriced = f->is_unpriced,
        .target = f->target,
        .met = {f->met[0], f->met[1]},
        .asked_us = f->asked_us,
        .attempt_us = f->attempt_us,
        .first_us = f->first_us < sim->now_us ? f->first_us : sim->now_us,
        .now_us = sim->now_us,
        .low_pusd = f->low_pusd,
        .high_pusd = f->high_pusd,
    };

    sim_result_done(&sim->r, &done);
    flight_free(sim, f);
}

/* A try is over and went wrong: its caller may try again. */
static void fail_try(struct simulation *sim, struct flight *f, const struct steer_end *end,
                     enum sim_outcome outcome)
{
    settle(sim, f, end->answer_began);
    int64_t wait =
        caller_wait_us(sim->o->caller, f->tries - 1, end, sim_draw(f->number, 0, SIM_DRAW_CALLER));
    if (wait < 0)
        finish_call(sim, f, outcome);
    else
        schedule(sim, f, DUE_TRY, plan_add_us(sim->now_us, wait));
}

static void finish_try(struct simulation *sim, struct flight *f)
{
    if (f->end.failed) {
        fail_try(sim, f, &f->end, (enum sim_outcome)f->end.failure);
        return;
    }
    settle(sim, f, true);
    finish_call(sim, f, f->is_broken ? SIM_BAD_ANSWER : SIM_ANSWERED);
}

static void be_unavailable(struct simulation *sim, struct flight *f, const struct steer_step *step)
{
    struct steer_end end = { .failed = true,
                             .failure = PLAN_FAILED_STATUS,
                             .status = 503,
                             .retry_after_us =
                                 step->until_us > sim->now_us ? step->until_us - sim->now_us : -1,
                             .first_token_us = -1 };

    fail_try(sim, f, &end, SIM_UNAVAILABLE);
}

static void take_notes(struct simulation *sim, struct flight *f)
{
    if (sim->notes.count == 0)
        return;
    flight_heed(sim, f, &sim->notes);
    sim_result_note(&sim->r, &sim->notes);
    sim->notes.count = sim->notes.dropped = 0;
}

static void follow(struct simulation *sim, struct flight *f, const struct steer_step *step)
{
    take_notes(sim, f);
    switch (step->what) {
    case STEER_ATTEMPT:
        f->is_rerouted =
            f->is_rerouted || step->why == POLICY_FALLBACK || step->why == POLICY_SHIFTED;
        begin_attempt(sim, f, step->target, step->timer_us);
        break;
    case STEER_WAIT:
        f->is_waiting = true;
        schedule(sim, f, DUE_WAITED, step->until_us);
        break;
    case STEER_ANSWER:
        finish_try(sim, f);
        break;
    case STEER_UNAVAILABLE:
        be_unavailable(sim, f, step);
        break;
    }
}

/* What a refused caller is told, and so whether it tries again. */
static void refuse(struct simulation *sim, struct flight *f, const struct policy_admission *a)
{
    static const struct {
        enum sim_outcome outcome;
        int status;
        bool says_never;
    } of[] = {
        [POLICY_NO_ACCESS] = {SIM_DENIED,       403, false},
        [POLICY_NO_LIMIT] = { SIM_LIMITED,     429, false},
        [POLICY_NO_CONCURRENCY] = { SIM_CONCURRENCY, 429, false},
        [POLICY_NO_BUDGET] = { SIM_BUDGET,      429, true },
    };
    struct steer_end end = { .failed = true,
                             .failure = PLAN_FAILED_STATUS,
                             .status = of[a->verdict].status,
                             .should_retry_set = of[a->verdict].says_never,
                             .retry_after_us = a->retry_after_us > 0 ? a->retry_after_us : -1,
                             .first_token_us = -1 };

    fail_try(sim, f, &end, of[a->verdict].outcome);
}

static bool is_admitted(struct simulation *sim, struct flight *f)
{
    struct policy_admission admission;
    int64_t input = f->call.request_bytes;
    struct policy_ask ask = { .now_us = sim->now_us };

    for (int p = 0; input == 0 && p < PRICE_PART_OUTPUT; p++)
        ask.input_tokens += f->call.tokens[p];
    if (input)
        ask.input_tokens = input; /* as the proxy has it: a token is a byte at least */
    policy_admit(sim->o->policy, sim->state, sim->class->policy, &ask, flight_claims(sim, f),
                 &sim->notes, &admission);
    take_notes(sim, f);
    if (admission.verdict == POLICY_GO) {
        f->is_admitted = true;
        return true;
    }
    refuse(sim, f, &admission);
    return false;
}

static void begin_try(struct simulation *sim, struct flight *f)
{
    const struct sim_class_state *class = sim->class;
    struct steer_step step;

    f->tries++;
    f->try_pusd = 0;
    f->leave_us = plan_add_us(sim->now_us, sim->deadline_us);
    if (sim->admits && !is_admitted(sim, f))
        return;
    f->is_steered = class->route != POLICY_NONE;
    if (!f->is_steered) {
        begin_attempt(sim, f, POLICY_NONE, NULL);
        return;
    }
    const struct steer_call call = {
        .route = class->route,
        .mode = class->mode,
        .asked = class->asked,
        .sticky = f->call.user ? sim_mix(class->sticky + f->call.user) | 1 : 0,
        .seed = sim_draw(sim->o->seed, f->number * STEER_ATTEMPTS_MAX + f->tries, SIM_DRAW_CALL),
        .is_stream = f->call.flags & SIM_STREAM,
        .may_repeat = true,
    };
    steer_begin(&f->steer, sim->o->policy, sim->state, &call, sim->now_us, &sim->notes, &step);
    follow(sim, f, &step);
}

/* --- events --- */

/* What the attempt under way cost, now that it is over. */
static void pay(struct simulation *sim, struct flight *f, bool went_well)
{
    struct sim_cell *c = sim_cell_of(sim, sim->class, f->policy_target);
    struct sim_target *t = &sim->r.targets.ptr[f->target];
    i128 pusd;

    bool priced = sim_price_of(&c->price, sim->prices, &f->call, &pusd);
    if (went_well) {
        f->is_unpriced = !priced;
        f->low_pusd += (int64_t)pusd;
        f->try_pusd += (int64_t)pusd;
        t->low_pusd += pusd;
    }
    f->high_pusd += (int64_t)pusd;
    t->high_pusd += pusd;
}

static void end_attempt(struct simulation *sim, struct flight *f)
{
    struct sim_target *t = &sim->r.targets.ptr[f->target];
    struct steer_step step;

    t->in_flight--;
    if (f->end.failed) {
        t->failed[f->end.failure]++;
        if (f->may_be_billed)
            pay(sim, f, false);
    } else {
        t->answered++;
        if (f->call.flags & SIM_STREAM)
            sketch_add(&t->first, f->first_us - f->attempt_us);
        sketch_add(&t->total, sim->now_us - f->attempt_us);
        pay(sim, f, true);
    }
    if (!f->is_steered) {
        finish_try(sim, f);
        return;
    }
    steer_ended(&f->steer, sim->o->policy, sim->state, &f->end, sim->now_us, &sim->notes, &step);
    follow(sim, f, &step);
}

static void tell_first(struct simulation *sim, struct flight *f)
{
    steer_first_token(&f->steer, sim->o->policy, sim->state, f->first_us - f->attempt_us,
                      sim->now_us);
    schedule(sim, f, DUE_END, f->end_us);
}

static void leave(struct simulation *sim, struct flight *f)
{
    struct steer_end end = { .failed = true,
                             .failure = PLAN_FAILED_HEAD,
                             .late = true,
                             .answer_began = !f->is_waiting && f->call.flags & SIM_STREAM &&
                                             f->first_us <= sim->now_us,
                             .retry_after_us = -1,
                             .first_token_us = -1 };

    if (f->is_waiting) {
        f->is_waiting = false;
    } else {
        struct sim_target *t = &sim->r.targets.ptr[f->target];
        t->in_flight--;
        t->abandoned++;
        pay(sim, f, false);
    }
    if (f->is_steered)
        steer_abandon(&f->steer, sim->o->policy, sim->state, sim->now_us);
    fail_try(sim, f, &end, SIM_LEFT);
}

static void go_on(struct simulation *sim, struct flight *f)
{
    struct steer_step step;

    f->is_waiting = false;
    steer_waited(&f->steer, sim->o->policy, sim->state, sim->now_us, &sim->notes, &step);
    follow(sim, f, &step);
}

/* What is due next has not been looked at for seconds of virtual time: waiting for its cache lines
 * would be a fifth of all. */
static void fetch_ahead(const struct flight *f)
{
    const char *p = (const char *)f;

    for (size_t at = 0; at < FETCH_BYTES; at += 64)
        __builtin_prefetch(p + at, 1);
}

static void run_event(struct simulation *sim)
{
    static void (*const run[])(struct simulation *, struct flight *) = {
        [DUE_ARRIVAL] = begin_try, [DUE_TRY] = begin_try, [DUE_FIRST] = tell_first,
        [DUE_END] = end_attempt,   [DUE_WAITED] = go_on,  [DUE_LEAVE] = leave,
    };
    struct flight *f = flight_at(sim, sim_queue_pop(&sim->queue, &sim->now_us));

    if (sim->queue.len)
        fetch_ahead(flight_at(sim, sim_queue_next(&sim->queue)));
    sim->class = &sim->classes.ptr[f->call.class];
    run[f->due](sim, f);
}

/* --- arrivals --- */

static int arrive(struct simulation *sim, const struct sim_arrival *a, struct err *err)
{
    struct flight *f = flight_new(sim, a, err);

    if (!f)
        return -1;
    begin_try(sim, f);
    return 0;
}

/* Spikes and troughs: how many calls come in place of one.  Those beyond the first come at random
 * within a second of it. */
static int arrive_loaded(struct simulation *sim, const struct sim_arrival *a, struct err *err)
{
    const struct sim_class *class = &sim->class->is;
    uint64_t chance = sim_draw(sim->o->seed, sim->arrivals, SIM_DRAW_LOAD);
    int64_t load = scenario_load_micro(sim->o->scenario, sim->now_us - sim->o->start_us, class->app,
                                       class->model);
    int64_t copies = load / 1000000 + ((int64_t)(chance % 1000000) < load % 1000000);

    if (copies == 0) {
        sim->r.spike_left_out++;
        return 0;
    }
    for (int64_t i = 1; i < copies; i++) {
        struct flight *f = flight_new(sim, a, err);
        if (!f)
            return -1;
        chance = sim_mix(chance + (uint64_t)i);
        f->asked_us = sim->now_us + (int64_t)(chance % (uint64_t)US_PER_SECOND);
        f->call.at_us = f->asked_us;
        sim->r.spike_added++;
        schedule(sim, f, DUE_ARRIVAL, f->asked_us);
    }
    return arrive(sim, a, err);
}

static int take_arrival(struct simulation *sim, const struct sim_arrival *a, struct err *err)
{
    while (sim_queue_next_us(&sim->queue) <= a->at_us)
        run_event(sim);
    sim->now_us = a->at_us;
    sim->arrivals++;
    sim->class = simulation_class(sim, a->class);
    return sim->has_load ? arrive_loaded(sim, a, err) : arrive(sim, a, err);
}

int simulate(struct sim_source *source, const struct sim_classes *classes,
             const struct sim_options *o, struct sim_result *ret, struct err *err)
{
    CLEANUP(simulation_release) struct simulation sim = { .o = o, .known = classes };
    struct sim_arrival batch[BATCH];
    size_t count;

    simulation_init(&sim);
    do {
        if (source->fill(source, batch, BATCH, &count, err) < 0)
            return -1;
        for (size_t i = 0; i < count; i++)
            if (take_arrival(&sim, &batch[i], err) < 0)
                return -1;
    } while (count > 0);
    while (sim.queue.len)
        run_event(&sim);
    sim.r.late = source->late;
    sim_result_finish(&sim.r);
    *ret = sim.r;
    sim.r = (struct sim_result){ 0 };
    return 0;
}
