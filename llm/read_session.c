/* read_session - answers that hold many responses: realtime sessions and batch results.  Each
 * response is one of its own, so here, and only here, usage is summed. */
#include "config.h"

#include "llm/read_macros.h"

/* --- realtime --- */

static const struct member session_rows[] = { TEXT("model", MODEL), TEXT("id", ID) };
static const struct members session_members = MEMBERS(session_rows);

static const struct member done_rows[] = {
    TEXT("id", ID),
    TEXT("status", STATUS),
    USAGE("usage"),
};
static const struct members done_members = MEMBERS(done_rows);

static const struct member realtime_rows[] = {
    EVENT_TYPE("type"),
    OBJECT("response", done_members),
    OBJECT("session", session_members),
    ERROR_MEMBER("error"),
};
static const struct members realtime_members = MEMBERS(realtime_rows);

static void end_realtime_event(struct reading *r)
{
    if (str_eq(r->event_type, STR("response.done")))
        counts_sum(&r->counts, &r->event_counts);
}

const struct wire wire_realtime = {
    .name = "realtime",
    .top = &realtime_members,
    .event_end = end_realtime_event,
};

/* --- batch results --- */

static void keep_first_id(struct reading *r, struct jscan *s, int arg)
{
    struct str raw;

    (void)arg;
    if (jscan_peek(s) == JSCAN_STRING && !r->text[SLOT_ID].len && jscan_string_raw(s, &raw, NULL))
        keep_text(r, SLOT_ID, raw, false);
}

static void read_status_code(struct reading *r, struct jscan *s, int arg)
{
    int64_t status;

    (void)arg;
    if (jscan_peek(s) == JSCAN_NUMBER && jscan_int(s, &status) && (status < 200 || status > 299))
        r->flags |= READING_BATCH_FREE;
}

static const struct member body_rows[] = {
    TEXT("model", PART_MODEL),
    TEXT("modelVersion", PART_MODEL),
    USAGE("usage"),
    USAGE("usageMetadata"),
};
static const struct members body_members = MEMBERS(body_rows);

static const struct member batch_response_rows[] = {
    CALL("status_code", read_status_code, 0),
    OBJECT("body", body_members),
    TEXT("modelVersion", PART_MODEL), /* Gemini: the answer itself */
    USAGE("usageMetadata"),
};
static const struct members batch_response_members = MEMBERS(batch_response_rows);

static const struct member result_rows[] = {
    EVENT_TYPE("type"),
    OBJECT("message", body_members),
};
static const struct members result_members = MEMBERS(result_rows);

static const struct member batch_rows[] = {
    CALL("id", keep_first_id, 0),
    CALL("custom_id", keep_first_id, 0),
    OBJECT("response", batch_response_members),
    OBJECT("result", result_members),
    /* Bedrock batch inference: {"recordId":..,"modelOutput":{vendor's answer}} */
    OBJECT("modelOutput", body_members),
};
static const struct members batch_members = MEMBERS(batch_rows);

static struct call_part *part_of(struct reading *r, struct str model)
{
    struct call_facts *facts = r->facts;

    for (size_t i = 0; i < facts->part_count; i++)
        if (str_eq(facts->parts[i].model, model))
            return &facts->parts[i];
    if (facts->part_count == CALL_PARTS_MAX)
        return NULL;
    struct call_part *part = &facts->parts[facts->part_count++];
    *part = (struct call_part){ .model = model };
    return part;
}

/* Lines of which the provider bills nothing: a status other than 2xx (OpenAI), any result but
 * "succeeded" (Anthropic). */
static void end_batch_line(struct reading *r)
{
    struct usage usage;
    bool is_free = r->flags & READING_BATCH_FREE ||
                   (r->event_type.len && !str_eq(r->event_type, STR("succeeded")));
    struct str model = r->text[SLOT_PART_MODEL];

    r->flags &= ~(uint32_t)READING_BATCH_FREE;
    r->text[SLOT_PART_MODEL] = (struct str){ 0 };
    if (is_free || (!r->event_counts.present && !r->event_counts.bad))
        return;
    if (settle(r, &r->event_counts, &usage) < 0) {
        r->counts.bad = "a line's usage is nonsense";
        return;
    }
    struct call_part *part = part_of(r, model);
    if (part)
        usage_add_all(&part->usage, &usage);
    else
        r->counts.bad = "more models in one batch than we keep apart";
}

/* A file's content need not be a batch's results. */
static void end_batch(struct reading *r)
{
    if (r->facts->part_count || r->counts.bad) {
        r->facts->api = API_BATCH;
        keep_text(r, SLOT_TIER, STR("batch"), false);
        return;
    }
    r->facts->billable = false;
    reading_note(r, "no batch results in it");
}

const struct wire wire_batch = {
    .name = "batch",
    .top = &batch_members,
    .event_end = end_batch_line,
    .end = end_batch,
};

/* --- nothing to read --- */

static const struct member none_rows[] = { TEXT("id", ID) };
static const struct members none_members = MEMBERS(none_rows);

const struct wire wire_none = { .name = "none", .top = &none_members };
