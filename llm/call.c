#include "config.h"

#include "llm/call.h"

#include <ctype.h>
#include <string.h>

#include "llm/cost_shape.h"
#include "llm/read.h"

struct str call_header_find(const struct call_header *headers, size_t count, const char *name)
{
    struct str wanted = str_from(count ? name : NULL);

    for (size_t i = 0; i < count; i++)
        if (headers[i].name.len == wanted.len && str_ieq(headers[i].name, wanted))
            return headers[i].value.ptr ? headers[i].value : STR("");
    return (struct str){ 0 };
}

static struct str response_header(const struct reading *r, const char *name)
{
    return call_header_find(r->call->response_headers, r->call->response_header_count, name);
}

static struct str first_of(struct str a, struct str b)
{
    return a.len ? a : b;
}

/* --- models --- */

/* The resource an ARN names, where it is a public model id; else the ARN, which only the user's map
 * can resolve. */
static struct str model_of_arn(struct str model)
{
    static const struct str kinds[] = {
        STR_INIT(":foundation-model/"),
        STR_INIT(":inference-profile/"),
    };

    if (!str_starts_with(model, STR("arn:")))
        return model;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        ptrdiff_t at = str_find(model, kinds[i], 0);
        if (at >= 0)
            return str_sub(model, (size_t)at + kinds[i].len, model.len);
    }
    return model;
}

/* What the answer says, then what was asked for.  An InvokeModel body names the vendor's model, but
 * prices and regions hang on the id in the path: the body decides only where that is opaque. */
static void find_models(struct reading *r, const struct request_facts *asked)
{
    struct call_facts *facts = r->facts;
    struct str path_model = model_of_arn(r->recognised->model);
    struct str said = model_of_arn(r->text[SLOT_MODEL]);

    if (r->recognised->wire == &wire_invoke && path_model.len &&
        !str_starts_with(path_model, STR("arn:")))
        said = path_model;
    said = first_of(said, response_header(r, "x-ms-served-model"));
    said = first_of(said, response_header(r, "openai-model"));
    facts->model_requested = first_of(r->recognised->model, asked->model);
    if (facts->provider == PROVIDER_GEMINI || facts->provider == PROVIDER_VERTEX)
        facts->model_requested = recognise_without_collection(facts->model_requested);
    facts->model = first_of(said, first_of(path_model, facts->model_requested));
    /* OpenAI, "Create image", 2026-08: the default where none is named. */
    if (!facts->model.len && facts->api == API_IMAGES && facts->provider == PROVIDER_OPENAI)
        facts->model = STR("dall-e-2");
}

/* --- tier and geography --- */

static const struct {
    struct str sent, name; /* name empty: nothing is said */
} tiers[] = {
    {STR_INIT("standard"),                  STR_INIT("default")    },
    { STR_INIT("on_demand"),                STR_INIT("default")    },
    { STR_INIT("ON_DEMAND_PRIORITY"),       STR_INIT("priority")   },
    { STR_INIT("ON_DEMAND_FLEX"),           STR_INIT("flex")       },
    { STR_INIT("PROVISIONED_THROUGHPUT"),   STR_INIT("provisioned")},
    { STR_INIT("TRAFFIC_TYPE_UNSPECIFIED"), STR_INIT("")           },
    { STR_INIT("unspecified"),              STR_INIT("")           },
    { STR_INIT("auto"),                     STR_INIT("")           },
    { STR_INIT("standard_only"),            STR_INIT("")           },
};

static struct str tier_name(struct str sent)
{
    for (size_t i = 0; sent.len && i < ARRAY_LEN(tiers); i++)
        if (str_ieq(tiers[i].sent, sent))
            return tiers[i].name;
    return sent;
}

/* Served beats requested; a speed bought on top beats both. */
static void find_tier(struct reading *r, const struct request_facts *asked)
{
    struct str speed = r->text[SLOT_SPEED];
    struct str tier = tier_name(r->text[SLOT_TIER]);

    tier = first_of(tier, tier_name(response_header(r, "x-amzn-bedrock-service-tier")));
    tier = first_of(tier, tier_name(asked->tier));
    if (str_eq(speed, STR("fast")) || str_eq(speed, STR("optimized")))
        tier = speed;
    if (r->recognised->row && r->recognised->row->flags & ROW_BATCH)
        tier = STR("batch");
    r->facts->service_tier = tier;
}

/* "East US 2" as the region is called everywhere else: "eastus2". */
static struct str azure_region(struct reading *r)
{
    struct str sent = response_header(r, "x-ms-region");
    char *name = arena_alloc(r->arena, sent.len);
    size_t len = 0;

    for (size_t i = 0; i < sent.len; i++)
        if (sent.ptr[i] != ' ')
            name[len++] = (char)tolower((unsigned char)sent.ptr[i]);
    return (struct str){ name, len };
}

static void find_geo(struct reading *r)
{
    struct str said = r->text[SLOT_GEO];

    if (str_eq(said, STR("not_available")))
        said = (struct str){ 0 };
    r->facts->geo = first_of(said, r->recognised->geo);
    if (!r->facts->geo.len)
        r->facts->geo = azure_region(r);
}

static void find_request_id(struct reading *r)
{
    static const char *const names[] = {
        "x-request-id",           "request-id",    "x-amzn-requestid", "apim-request-id",
        "x-goog-request-id",      "x-trace-id",    "x-ms-request-id",  "x-groq-request-id",
        "mistral-correlation-id", "x-ds-trace-id", "cf-ray",
    };

    for (size_t i = 0; i < ARRAY_LEN(names) && !r->facts->upstream_request_id.len; i++)
        r->facts->upstream_request_id = response_header(r, names[i]);
}

/* --- images --- */

/* "1024x1024/hd" out of what the answer says, else the request, else what OpenAI documents as the
 * default of its models priced by the image. */
static void find_variant(struct reading *r, const struct request_facts *asked)
{
    bool is_dalle = str_starts_with(r->facts->model, STR("dall-e")) || !r->facts->model.len;
    struct str size = first_of(r->text[SLOT_SIZE], asked->size);
    struct str quality = first_of(r->text[SLOT_QUALITY], asked->quality);

    if (r->facts->api != API_IMAGES) {
        r->facts->variant = asked->search_context;
        return;
    }
    size = first_of(size, is_dalle ? STR("1024x1024") : STR("auto"));
    quality = first_of(quality, is_dalle ? STR("standard") : STR("auto"));
    char *text = arena_alloc(r->arena, size.len + quality.len + 1);
    memcpy(text, size.ptr, size.len);
    text[size.len] = '/';
    memcpy(text + size.len + 1, quality.ptr, quality.len);
    r->facts->variant = (struct str){ text, size.len + 1 + quality.len };
}

/* --- billing --- */

/* Gateways that answer from their own cache repeat the usage of the call they stored. */
static const struct {
    const char *header;
    struct str value; /* empty: being there is enough */
} gateway_caches[] = {
    {"x-portkey-cache-status", STR_INIT("HIT")},
    { "cf-aig-cache-status",   STR_INIT("HIT")},
    { "helicone-cache",        STR_INIT("HIT")},
    { "x-litellm-cache-key",   STR_INIT("")   },
};

static bool is_gateway_cached(const struct reading *r)
{
    for (size_t i = 0; i < ARRAY_LEN(gateway_caches); i++) {
        struct str value = response_header(r, gateway_caches[i].header);
        if (value.ptr &&
            (!gateway_caches[i].value.len || str_ieq(str_trim(value), gateway_caches[i].value)))
            return true;
    }
    return false;
}

/* The model worked, or may have, before these were sent: time-outs and failures in mid-answer. */
static bool may_be_billed(int status)
{
    return status == 0 || status == 408 || status == 424 || status == 499 || status >= 500;
}

/* A background response is begun by a POST that reports nothing and billed with the poll that sees
 * it finished; polling any other repeats what its POST reported.  Either way an id may be seen
 * twice, and whoever sums must drop the repeats of one response id. */
static bool is_billed(struct reading *r)
{
    const struct api_row *row = r->recognised->row;
    int status = r->call->status;

    if (r->facts->api == API_UNKNOWN) {
        reading_note(r, "%s", r->recognised->by);
        return false;
    }
    if (row && row->flags & ROW_FREE) {
        reading_note(r, "%s", row->note);
        return false;
    }
    if (status != 0 && (status < 200 || status > 299) && !may_be_billed(status)) {
        reading_note(r, status >= 400 ? "error %d: not billed" : "status %d: not billed", status);
        return false;
    }
    if (row && row->flags & ROW_POLL && !(r->flags & READING_BACKGROUND && r->counts.present)) {
        reading_note(r, "%s", row->note);
        return false;
    }
    if (is_gateway_cached(r)) {
        reading_note(r, "answered by a gateway from its cache: not billed");
        return false;
    }
    return true;
}

/* --- usage --- */

/* The chunk with the usage comes after the one with the finish reason: who asked for it and got
 * neither it nor [DONE] was cut off between the two. */
static bool lacks_usage_chunk(const struct reading *r)
{
    return r->wire == &wire_chat && r->flags & READING_USAGE_ASKED && !r->counts.present &&
           !r->counts.bad && !r->part_count;
}

/* Some servers that copy the chat API send no [DONE]: there a finish reason is end enough, unless
 * something more was due. */
static bool is_cut(const struct reading *r)
{
    bool has_error = r->flags & READING_ERROR_EVENT;
    bool has_finish = r->text[SLOT_FINISH].len || r->text[SLOT_BLOCK].len;

    if (r->flags & READING_DONE) /* whatever the connection did after it */
        return false;
    if (r->call->response_cut || r->flags & READING_CUT)
        return true;
    if (!(r->flags & READING_STREAM) || !r->wire->ends_with_event || has_error)
        return false;
    return !has_finish || lacks_usage_chunk(r);
}

static struct call_part *add_part(struct reading *r, struct str model)
{
    struct call_part *part = &r->facts->parts[r->facts->part_count++];

    *part = (struct call_part){ .model = model };
    return part;
}

/* Thinking is reported for the whole only: it goes to the last share that can hold it. */
static void add_reasoning(struct reading *r)
{
    struct call_facts *facts = r->facts;
    int64_t n = counts_get(&r->counts, USAGE_REASONING);

    for (size_t i = facts->part_count; n > 0 && i-- > 0;) {
        struct usage *usage = &facts->parts[i].usage;
        if (str_eq(facts->parts[i].model, facts->model) && !usage_has(usage, USAGE_REASONING) &&
            usage_has(usage, USAGE_OUTPUT) && usage->n[USAGE_OUTPUT] >= n) {
            usage_set(usage, USAGE_REASONING, n);
            return;
        }
    }
}

/* The whole leaves out what other models did, and is left out in turn; only its fees are kept. */
static int settle_shares(struct reading *r)
{
    static const enum usage_unit fees[] = { USAGE_WEB_SEARCHES, USAGE_WEB_FETCHES,
                                            USAGE_CODE_SESSIONS, USAGE_FILE_SEARCHES };

    for (size_t i = 0; i < r->part_count; i++) {
        struct usage usage;
        if (settle(r, &r->parts[i].counts, &usage) < 0) {
            r->facts->part_count = 0;
            return -1;
        }
        add_part(r, first_of(r->parts[i].model, r->facts->model))->usage = usage;
    }
    for (size_t i = 0; i < ARRAY_LEN(fees); i++)
        if (counts_has(&r->counts, (int)fees[i]))
            usage_set(&r->facts->parts[0].usage, fees[i], r->counts.n[fees[i]]);
    add_reasoning(r);
    return 0;
}

static int64_t count_characters(struct reading *r, struct str raw)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    int64_t n = 0;

    (void)r;
    jscan_unescape(raw, &text);
    for (size_t i = 0; i < text.len; i++)
        n += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return n;
}

/* Milliseconds, of a count of seconds with fractions. */
static bool parse_seconds(struct str text, int64_t *ret)
{
    i128 ms;
    enum decimal_result result = decimal_parse(text, 3, &ms);

    if ((result != DECIMAL_OK && result != DECIMAL_ROUNDED) || ms < 0 || ms > USAGE_VALUE_MAX)
        return false;
    *ret = (int64_t)ms;
    return true;
}

/* What is not billed by tokens, and not in a usage object. */
static void derive_units(struct reading *r, const struct request_facts *asked, struct usage *usage)
{
    enum api api = r->facts->api;
    bool has_tokens = usage_has(usage, USAGE_INPUT) || usage_has(usage, USAGE_OUTPUT);
    struct str seconds = r->text[SLOT_SECONDS];
    int64_t ms;

    if (seconds.len && (!has_tokens || r->wire == &wire_chat)) {
        if (!parse_seconds(seconds, &ms))
            reading_note(r, "seconds rejected: no sensible number");
        else if (ms > 0 || !has_tokens)
            usage_set(usage, USAGE_AUDIO_MS, ms);
    }
    if (has_tokens || r->call->status < 200 || r->call->status > 299)
        return;
    if (r->images > 0)
        usage_set(usage, USAGE_IMAGES, r->images);
    if (api == API_SPEECH && !r->call->request_body_missing && asked->input.ptr)
        usage_set(usage, USAGE_CHARACTERS, count_characters(r, asked->input));
}

/* Whatever was written until then has been generated, and may be billed. */
static bool is_ended_by_error(const struct reading *r)
{
    return r->flags & READING_STREAM && r->flags & READING_ERROR_EVENT && r->wire->ends_with_event;
}

static void say_why_unknown(struct reading *r)
{
    const struct call *call = r->call;

    if (r->note)
        return;
    if (call->status == 0)
        reading_note(r, "no answer arrived");
    else if (call->response_body_missing)
        reading_note(r, CALL_NOTE_NO_BODY);
    else if (!call->response_body.len)
        reading_note(r, "the answer is empty");
    else if (call->status >= 500 || may_be_billed(call->status))
        reading_note(r, "error %d: may have been billed", call->status);
    else if (is_ended_by_error(r))
        reading_note(r, "an error ended the stream before any text");
    else if (r->flags & READING_STREAM && r->flags & READING_USAGE_ASKED)
        reading_note(r, "the stream carries no usage, though include_usage was set");
    else if (r->flags & READING_STREAM && r->wire == &wire_chat)
        reading_note(r, "the stream carries no usage: stream_options.include_usage was not set");
    else if (r->flags & READING_STREAM)
        reading_note(r, "the stream carries no usage");
    else
        reading_note(r, "the answer carries no usage");
}

static bool may_estimate(const struct reading *r)
{
    int status = r->call->status;

    return (is_cut(r) || is_ended_by_error(r)) && status >= 200 && status <= 299 &&
           !r->call->response_body_missing;
}

/* These models search before every answer and are charged a search for it (OpenAI, "Web search" and
 * pricing, 2026-08); no usage object says so. */
static bool always_searches(const struct call_facts *facts)
{
    bool is_openai = facts->provider == PROVIDER_OPENAI || facts->provider == PROVIDER_AZURE_OPENAI;

    ptrdiff_t at =
        is_openai && facts->api == API_CHAT ? str_find(facts->model, STR("-search-"), 0) : -1;

    return at >= 0 && (str_find(facts->model, STR("-search-preview"), (size_t)at) >= 0 ||
                       str_find(facts->model, STR("-search-api"), (size_t)at) >= 0);
}

/* Fees and tool calls counted in the answer, where the usage object does not count them. */
static void add_tools(struct reading *r, struct usage *usage)
{
    int64_t searches = counts_get(&r->image_tool, USAGE_WEB_SEARCHES);
    bool has_image_tokens = counts_get(&r->image_tool, USAGE_OUTPUT) > 0;

    if (searches > counts_get(&r->tools, USAGE_WEB_SEARCHES))
        counts_set(&r->tools, USAGE_WEB_SEARCHES, searches);
    if (always_searches(r->facts) && !counts_has(&r->tools, USAGE_WEB_SEARCHES))
        counts_set(&r->tools, USAGE_WEB_SEARCHES, 1);
    for (enum usage_unit u = 0; r->tools.present && u < USAGE_UNIT_COUNT; u++) {
        if (!counts_has(&r->tools, (int)u) || usage_has(usage, u))
            continue;
        if (u == USAGE_IMAGES && has_image_tokens)
            continue;
        usage_set(usage, u, r->tools.n[u]);
    }
}

/* A Responses image tool runs a model of its own, whose tokens `usage` leaves out. */
static void add_image_tool(struct reading *r)
{
    if (!r->image_tool.present)
        return;
    struct counts c = r->image_tool;
    struct usage usage;

    c.present &= ~(UINT64_C(1) << USAGE_WEB_SEARCHES);
    if (counts_get(&c, USAGE_INPUT) + counts_get(&c, USAGE_OUTPUT) == 0 ||
        r->facts->part_count == CALL_PARTS_MAX || settle(r, &c, &usage) < 0)
        return;
    add_part(r, first_of(r->text[SLOT_IMAGE_MODEL], STR("gpt-image-1")))->usage = usage;
}

/* 0 = reported, -1 = there is none, or nonsense. */
static int take_reported(struct reading *r, const struct request_facts *asked)
{
    struct call_facts *facts = r->facts;
    struct usage usage = { 0 };

    if (facts->part_count && !r->counts.bad) /* batch lines */
        return 0;
    facts->part_count = 0;
    if (r->parts_bad) {
        reading_note(r, "usage rejected: %s", r->parts_bad);
        return -1;
    }
    if (r->part_count && !r->counts.bad)
        return settle_shares(r);
    if ((r->counts.present || r->counts.bad) && settle(r, &r->counts, &usage) < 0)
        return -1;
    derive_units(r, asked, &usage);
    if (!usage.present)
        return -1;
    add_part(r, facts->model)->usage = usage;
    return 0;
}

/* Whether the final counts are still to come: a stream cut after its first event has the input
 * only, and a placeholder for the output. */
static bool is_placeholder(const struct reading *r)
{
    return r->wire == &wire_messages || r->wire == &wire_invoke
               ? !(r->flags & READING_DONE) && !r->text[SLOT_FINISH].len
               : !counts_has(&r->counts, USAGE_OUTPUT);
}

/* Half a usage object is taken for what it says: the half that is missing must be seen.  Ollama's
 * own note says why. */
static void note_missing_input(struct reading *r)
{
    const struct call_facts *facts = r->facts;

    for (size_t i = 0; i < facts->part_count && r->wire != &wire_ollama; i++) {
        const struct usage *usage = &facts->parts[i].usage;
        if (usage_has(usage, USAGE_INPUT) || !usage_has(usage, USAGE_OUTPUT))
            continue;
        reading_note(r, "input not reported");
        return;
    }
}

static void find_usage(struct reading *r, const struct request_facts *asked)
{
    struct call_facts *facts = r->facts;

    facts->usage_source = USAGE_SOURCE_UNKNOWN;
    if (!facts->billable) {
        facts->part_count = 0;
        return;
    }
    int got = take_reported(r, asked);
    bool is_nonsense = r->counts.bad || r->parts_bad;
    if (got == 0) {
        facts->usage_source = USAGE_SOURCE_REPORTED;
        if (may_estimate(r) && facts->part_count == 1 && is_placeholder(r)) {
            facts->usage_source = USAGE_SOURCE_ESTIMATED;
            estimate_usage(r, &facts->parts[0].usage);
        } else if (may_estimate(r) && !(r->flags & READING_DONE)) {
            reading_note(r, "broken off: counts as last reported");
        }
        if (facts->usage_source == USAGE_SOURCE_REPORTED)
            note_missing_input(r);
    } else if (may_estimate(r) && !is_nonsense && (is_cut(r) || estimate_output_bytes(r) > 0)) {
        facts->usage_source = USAGE_SOURCE_ESTIMATED;
        estimate_usage(r, &add_part(r, facts->model)->usage);
    } else {
        say_why_unknown(r);
        return;
    }
    add_tools(r, &facts->parts[0].usage);
    add_image_tool(r);
}

/* --- the whole --- */

static void classify(struct reading *r)
{
    struct call_facts *facts = r->facts;
    bool is_ok = r->call->status >= 200 && r->call->status <= 299;

    if (r->call->status == 0) {
        facts->error_class = ERROR_CLASS_TRANSPORT;
        return;
    }
    errors_classify(r);
    if (facts->error_class || !is_ok || facts->api == API_UNKNOWN)
        return;
    if (is_cut(r))
        facts->error_class = r->flags & READING_STREAM || facts->stream ? ERROR_CLASS_STREAM_CUT
                                                                        : ERROR_CLASS_TRANSPORT;
    else if (r->flags & READING_MALFORMED)
        facts->error_class = ERROR_CLASS_MALFORMED;
}

static void recognise_answer(struct reading *r)
{
    struct recognition *rec = r->recognised;

    if (r->flags & READING_GROQ)
        recognise_mark(rec, PROVIDER_GROQ);
    recognise_provider(rec, r->call, r->text[SLOT_ID]);
    /* Weaker than any name: only who is otherwise nobody. */
    if (rec->provider == PROVIDER_COMPATIBLE && r->flags & READING_VLLM) {
        rec->provider = PROVIDER_VLLM;
        rec->by = "shape";
    }
    r->facts->provider = rec->provider;
    if (r->facts->api == API_UNKNOWN)
        r->facts->api = rec->api;
    r->facts->recognised_by = rec->by;
}

static void read_answer(struct reading *r)
{
    const struct call *call = r->call;

    if (call->status >= 400)
        errors_read(r);
    else if (!call->response_body_missing)
        read_body(r);
    else if (r->wire == &wire_invoke) /* whose counts are in the headers too */
        r->wire->end(r);
    recognise_answer(r);
}

/* But for the parts: they are seven kilobytes, and add_part begins each. */
static void clear(struct call_facts *facts)
{
    const size_t behind = offsetof(struct call_facts, part_count);

    memset(facts, 0, offsetof(struct call_facts, parts));
    memset((char *)facts + behind, 0, sizeof(*facts) - behind);
}

void call_read_as(const struct call *call, const struct recognition *known, struct arena *arena,
                  struct call_facts *ret)
{
    struct recognition recognised = *known;
    struct request_facts asked;
    struct reading r;

    memset(&r, 0, offsetof(struct reading, parts)); /* the parts are ten kilobytes, rarely used */
    r.call = call;
    r.arena = arena;
    r.facts = ret;
    r.recognised = &recognised;
    clear(ret);
    ret->billable = true;
    request_read(call, arena, &asked);
    r.wire = recognised.wire;
    r.images = -1;
    if (asked.include_usage)
        r.flags |= READING_USAGE_ASKED;
    ret->api = recognised.api;
    ret->provider = recognised.provider;
    if (recognised.api == API_UNKNOWN)
        r.flags |= READING_SHAPELESS;
    read_answer(&r);
    find_models(&r, &asked);
    find_tier(&r, &asked);
    find_geo(&r);
    find_request_id(&r);
    ret->stream = asked.stream || r.flags & READING_STREAM ||
                  (recognised.row && recognised.row->flags & ROW_STREAM);
    ret->finish_reason =
        first_of(r.text[SLOT_FINISH], first_of(r.text[SLOT_BLOCK], r.text[SLOT_STATUS]));
    ret->response_id = r.text[SLOT_ID];
    ret->end_user = asked.end_user;
    ret->features = asked.features;
    find_variant(&r, &asked);
    ret->billable = ret->billable && is_billed(&r); /* the wire may have found a reason not to */
    find_usage(&r, &asked);
    ret->cut = ret->api == API_UNKNOWN ? call->response_cut : is_cut(&r);
    classify(&r);
    if (ret->billable)
        read_reported_cost(&r);
    ret->usage_note = r.note;
}

/* --- what it cost, and nothing else --- */

/* Headers that models, tiers, places, caches and costs are told by, above and in cost.c. */
#define COST_HEADERS(X)                                                                            \
    X("x-ms-served-model")                                                                         \
    X("openai-model")                                                                              \
    X("x-ms-region")                                                                               \
    X("x-amzn-bedrock-service-tier")                                                               \
    X("x-portkey-cache-status")                                                                    \
    X("cf-aig-cache-status")                                                                       \
    X("helicone-cache")                                                                            \
    X("x-litellm-cache-key")                                                                       \
    X("x-litellm-response-cost")

static bool is_cost_header(struct str name)
{
#define X(text) STR_INIT(text),
    static const struct str names[] = { COST_HEADERS(X) };
#undef X
#define X(text) | UINT64_C(1) << (sizeof(text) - 1)
    const uint64_t lengths = 0 COST_HEADERS(X);
#undef X

    if (name.len > 63 || !(lengths >> name.len & 1))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_ieq(name, names[i]))
            return true;
    return false;
}

bool cost_shape_header(struct str name)
{
    return str_ieq(name, STR("content-type")) || is_cost_header(name) ||
           recognise_header_tells(name);
}

/* Of the head: whether it says that the body is JSON, and whether the cost depends on any other. */
static bool is_said_json(const struct call *call, bool *ret_more)
{
    const struct str json = STR("application/json");
    struct str type = { 0 };

    *ret_more = false;
    for (size_t i = 0; i < call->response_header_count; i++) {
        const struct call_header *h = &call->response_headers[i];
        if (!type.ptr && h->name.len == 12 && str_ieq(h->name, STR("content-type")))
            type = h->value.ptr ? h->value : STR("");
        else
            *ret_more |= is_cost_header(h->name);
    }
    struct str rest = str_sub(type, json.len, type.len);
    return str_istarts_with(type, json) &&
           (!rest.len || str_starts_with(rest, STR(";")) || str_starts_with(rest, STR(" ")));
}

static bool is_plain(const struct call *call, const struct recognition *known, bool *ret_more)
{
    struct str body = call->response_body;

    return known->api != API_UNKNOWN && call->status >= 200 && call->status <= 299 &&
           !call->response_cut && !call->response_body_missing && body.len && body.ptr[0] == '{' &&
           is_said_json(call, ret_more);
}

/* r has call and arena. */
static bool read_cost(struct reading *r, const struct recognition *known, struct call_facts *ret,
                      bool *ret_more)
{
    struct recognition recognised = *known;
    const struct request_facts asked = { 0 };
    const struct call *call = r->call;
    struct call bare = *call;

    if (!is_plain(call, known, ret_more))
        return false;
    bare.request_body_missing = true;
    if (!*ret_more) /* and none is looked for */
        bare.response_header_count = 0;
    r->facts = ret;
    r->recognised = &recognised;
    r->wire = recognised.wire;
    r->images = -1;
    clear(ret);
    ret->billable = true;
    ret->api = recognised.api;
    ret->provider = recognised.provider;
    if (!read_json_body(r))
        return false;
    recognise_answer(r);
    r->call = &bare;
    find_models(r, &asked);
    find_tier(r, &asked);
    find_geo(r);
    find_variant(r, &asked);
    ret->billable = ret->billable && is_billed(r);
    find_usage(r, &asked);
    bool is_plain_usage = ret->billable && ret->usage_source == USAGE_SOURCE_REPORTED;
    if (is_plain_usage)
        read_reported_cost(r);
    r->call = call;
    r->recognised = NULL;
    return is_plain_usage;
}

bool cost_shapes_read(struct cost_shapes *s, const struct call *call,
                      const struct recognition *known, struct arena *arena, struct call_facts *ret)
{
    struct shape_draft draft;
    struct reading r;
    bool more;

    memset(&r, 0, offsetof(struct reading, parts)); /* the parts are ten kilobytes, rarely used */
    r.call = call;
    r.arena = arena;
    if (s && cost_shapes_want(s)) {
        draft.body = call->response_body;
        draft.is_odd = false;
        draft.hole_count = 0;
        r.draft = &draft;
    }
    if (!read_cost(&r, known, ret, &more))
        return false;
    if (r.draft && !more)
        shape_learn(s, &r, known);
    return true;
}

bool call_read_cost(const struct call *call, const struct recognition *known, struct arena *arena,
                    struct call_facts *ret)
{
    return cost_shapes_read(NULL, call, known, arena, ret);
}

void call_read(const struct call *call, struct arena *arena, struct call_facts *ret)
{
    struct recognition recognised;

    recognise(call, arena, &recognised);
    call_read_as(call, &recognised, arena, ret);
}
