/* read_gemini - generateContent, embeddings, :predict and interactions, of Gemini and Vertex. */
#include "config.h"

#include "llm/read_macros.h"

static const struct member part_rows[] = { MARK("functionCall", FUNCTION_PART) };
static const struct members part_members = MEMBERS(part_rows);

static void read_parts_of_content(struct reading *r, struct jscan *s, int arg)
{
    (void)arg;
    if (!jscan_enter_array(s)) {
        jscan_skip(s);
        return;
    }
    while (jscan_next_element(s)) {
        r->flags &= ~(uint32_t)READING_FUNCTION_PART;
        read_members(r, s, &part_members);
        if (r->flags & READING_FUNCTION_PART)
            counts_add(&r->tools, USAGE_TOOL_CALLS, 1);
    }
}

static const struct member content_rows[] = { CALL("parts", read_parts_of_content, 0) };
static const struct members content_members = MEMBERS(content_rows);

/* Later chunks repeat the queries: the longest list stands. */
static void read_queries(struct reading *r, struct jscan *s, int arg)
{
    int64_t n = 0;

    (void)arg;
    if (!jscan_enter_array(s)) {
        jscan_skip(s);
        return;
    }
    while (jscan_next_element(s)) {
        jscan_skip(s);
        n++;
    }
    if (n > counts_get(&r->tools, USAGE_WEB_SEARCHES))
        counts_set(&r->tools, USAGE_WEB_SEARCHES, n);
}

static const struct member grounding_rows[] = { CALL("webSearchQueries", read_queries, 0) };
static const struct members grounding_members = MEMBERS(grounding_rows);

static const struct member candidate_rows[] = {
    TEXT("finishReason", FINISH),
    OBJECT("content", content_members),
    OBJECT("groundingMetadata", grounding_members),
};
static const struct members candidate_members = MEMBERS(candidate_rows);

static const struct member feedback_rows[] = { TEXT("blockReason", BLOCK) };
static const struct members feedback_members = MEMBERS(feedback_rows);

static const struct member gemini_rows[] = {
    EACH("candidates", candidate_members),
    USAGE("usageMetadata"),
    TEXT("modelVersion", MODEL),
    TEXT("responseId", ID),
    OBJECT("promptFeedback", feedback_members),
    ERROR_MEMBER("error"),
};
static const struct members gemini_members = MEMBERS(gemini_rows);

/* Early chunks of Vertex hold a trafficType and no counts: they replace nothing. */
static void end_gemini(struct reading *r)
{
    int64_t queries = counts_get(&r->tools, USAGE_WEB_SEARCHES);
    struct str model = r->text[SLOT_MODEL].len ? r->text[SLOT_MODEL] : r->recognised->model;

    /* Up to Gemini 2.5 a grounded prompt is charged once, since Gemini 3 each query is (Gemini API
     * pricing, 2026-08). */
    if (queries > 1 &&
        (str_starts_with(model, STR("gemini-1")) || str_starts_with(model, STR("gemini-2"))))
        counts_set(&r->tools, USAGE_WEB_SEARCHES, 1);
}

const struct wire wire_gemini = {
    .name = "gemini",
    .top = &gemini_members,
    .end = end_gemini,
    .ends_with_event = true,
};

/* --- Vertex :predict --- */

static void add_statistics_tokens(struct reading *r, struct jscan *s, int arg)
{
    const char *why;
    int64_t n;

    (void)arg;
    int got = take_count(s, &n, &why);
    if (got > 0)
        counts_add(&r->event_counts, USAGE_INPUT, n);
    else if (got < 0)
        r->event_counts.bad = why;
}

static void add_image(struct reading *r, struct jscan *s, int arg)
{
    (void)s;
    (void)arg;
    r->images = (r->images < 0 ? 0 : r->images) + 1;
}

static const struct member statistics_rows[] = {
    CALL("token_count", add_statistics_tokens, 0),
};
static const struct members statistics_members = MEMBERS(statistics_rows);
static const struct member embeddings_rows[] = { OBJECT("statistics", statistics_members) };
static const struct members embeddings_members = MEMBERS(embeddings_rows);

static const struct member prediction_rows[] = {
    OBJECT("embeddings", embeddings_members),
    CALL("bytesBase64Encoded", add_image, 0),
    CALL("gcsUri", add_image, 0),
};
static const struct members prediction_members = MEMBERS(prediction_rows);

static const struct member predict_rows[] = {
    EACH("predictions", prediction_members),
    USAGE("usageMetadata"),
    ERROR_MEMBER("error"),
};
static const struct members predict_members = MEMBERS(predict_rows);

const struct wire wire_predict = { .name = "predict", .top = &predict_members };

/* --- interactions --- */

static const struct member metadata_rows[] = { USAGE("usage") };
static const struct members metadata_members = MEMBERS(metadata_rows);

#define INTERACTION_ROWS                                                                           \
    TEXT("id", ID), TEXT("model", MODEL), TEXT("status", STATUS), USAGE("usage"),                  \
        TEXT("service_tier", TIER), FLAG("background", BACKGROUND), ERROR_MEMBER("error")

static const struct member interaction_rows[] = { INTERACTION_ROWS };
static const struct members interaction_members = MEMBERS(interaction_rows);

static const struct member interactions_rows[] = {
    EVENT_TYPE("event_type"),
    OBJECT("interaction", interaction_members),
    OBJECT("metadata", metadata_members),
    INTERACTION_ROWS,
};
static const struct members interactions_members = MEMBERS(interactions_rows);

static void end_interactions_event(struct reading *r)
{
    if (str_eq(r->event_type, STR("interaction.completed")))
        r->flags |= READING_DONE;
    if (str_eq(r->event_type, STR("error")))
        r->flags |= READING_ERROR_EVENT;
    if (r->event_counts.present || r->event_counts.bad)
        r->counts = r->event_counts;
}

const struct wire wire_interactions = {
    .name = "interactions",
    .top = &interactions_members,
    .event_end = end_interactions_event,
    .ends_with_event = true,
};
