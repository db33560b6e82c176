#include "config.h"

#include "llm/recognise.h"

#include <assert.h>
#include <ctype.h>
#include <stdatomic.h>
#include <string.h>

#include "base/buf.h"
#include "base/jscan.h"
#include "base/mem.h"
#include "llm/read.h"

#define BITS_PER_BYTE     8u
#define BITS_OF_METHOD    4u
#define BITS_OF_PROVIDER  32u
#define HOST_BYTES_MAX    255u /* RFC 1035 2.3.4 */
#define SHAPE_MEMBERS_MAX 64u  /* of the top level are looked at */
#define NOT_A_PROVIDER    "not a model provider's host or path"
#define PATH_UNKNOWN      "the host is a provider's, the path none of its APIs we know"
#define LITELLM_PASSED_ON "llm_provider-"
#define OLLAMA_PORT       "11434"

struct path {
    struct str segments[PATH_SEGMENTS_MAX]; /* decoded */
    size_t count;
    size_t provider_at; /* first segment that is a provider's name, or count */
    enum provider provider;
    bool versioned[PATH_SEGMENTS_MAX]; /* a segment up to here is v1, v1beta, ... */
    bool first_bytes[256];             /* some segment begins with it */
};

/* What gateways call providers in their paths, beside the names of llm/provider.h. */
static const struct {
    struct str name;
    enum provider provider;
} path_names[] = {
    {STR_INIT("google-vertex"),     PROVIDER_VERTEX      },
    { STR_INIT("google-vertex-ai"), PROVIDER_VERTEX      },
    { STR_INIT("vertex-ai"),        PROVIDER_VERTEX      },
    { STR_INIT("google-ai-studio"), PROVIDER_GEMINI      },
    { STR_INIT("google-gemini"),    PROVIDER_GEMINI      },
    { STR_INIT("azure-openai"),     PROVIDER_AZURE_OPENAI},
    { STR_INIT("aws-bedrock"),      PROVIDER_BEDROCK     },
    { STR_INIT("perplexity-ai"),    PROVIDER_PERPLEXITY  },
    { STR_INIT("together-ai"),      PROVIDER_TOGETHER    },
    { STR_INIT("fireworks-ai"),     PROVIDER_FIREWORKS   },
    { STR_INIT("grok"),             PROVIDER_XAI         },
};

/* --- host --- */

/* Lower case, without port, into buffer; IPv6 literals keep their brackets. */
static struct str host_name(struct str host, char buffer[static HOST_BYTES_MAX],
                            struct str *ret_port)
{
    size_t len = host.len;

    *ret_port = STR("");
    for (size_t i = len; i-- > 0 && host.ptr[i] != ']';) {
        if (host.ptr[i] == ':') {
            *ret_port = str_sub(host, i + 1, host.len);
            len = i;
            break;
        }
    }
    if (len && host.ptr[len - 1] == '.')
        len--;
    if (len > HOST_BYTES_MAX)
        len = 0;
    for (size_t i = 0; i < len; i++)
        buffer[i] = (char)tolower((unsigned char)host.ptr[i]);
    return (struct str){ buffer, len };
}

static unsigned host_bid(const struct host_row *row, struct str name)
{
    struct str pattern = row->pattern;
    unsigned literal = 0;

    /* Every pattern ends in that many plain bytes, and they differ from most rows to the next. */
    if (name.len < HOST_TAIL_BYTES ||
        memcmp(pattern.ptr + pattern.len - HOST_TAIL_BYTES, name.ptr + name.len - HOST_TAIL_BYTES,
               HOST_TAIL_BYTES) != 0 ||
        !str_glob(pattern, name))
        return 0;
    for (size_t i = 0; i < pattern.len; i++)
        literal += pattern.ptr[i] != '*';
    return literal * BITS_PER_BYTE;
}

/* xx-word-N, as clouds name their regions: "us-east-1", "us-gov-west-1". */
static bool is_region(struct str label)
{
    ptrdiff_t dash = str_find_char(label, '-', 0);

    return dash == 2 && label.len > 5 && isdigit((unsigned char)label.ptr[label.len - 1]) &&
           str_find_char(label, '-', 3) > 0 && !str_starts_with(label, STR("vpce"));
}

static struct str find_region(struct str name)
{
    struct str label;

    while (str_split(&name, '.', &label))
        if (is_region(label))
            return label;
    return (struct str){ 0 };
}

static struct str host_geo(const struct host_row *row, struct str name)
{
    struct str first = name;
    ptrdiff_t dot = str_find_char(name, '.', 0);

    if (dot >= 0)
        first.len = (size_t)dot;
    if (row->geo == HOST_GEO_REGION)
        return find_region(name);
    if (row->geo == HOST_GEO_FIRST)
        return first;
    if (row->geo == HOST_GEO_DASH)
        return str_sub(first, 0, first.len - strlen("-aiplatform"));
    return (struct str){ 0 };
}

static void recognise_host(struct recognition *rec, struct str name, struct arena *arena)
{
    const struct host_row *best = NULL;
    unsigned best_bits = 0;

    for (size_t i = 0; i < recognise_host_count; i++) {
        unsigned bits = host_bid(&recognise_hosts[i], name);
        if (bits > best_bits) {
            best = &recognise_hosts[i];
            best_bits = bits;
        }
    }
    if (!best)
        return;
    rec->provider = best->provider;
    rec->host_known = true;
    rec->geo = arena_str(arena, host_geo(best, name));
}

/* --- path --- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static struct str percent_decode(struct str s, struct arena *arena)
{
    if (str_find_char(s, '%', 0) < 0)
        return s;
    char *out = arena_alloc(arena, s.len);
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        int high = s.len - i > 2 ? hex_digit(s.ptr[i + 1]) : -1;
        int low = s.len - i > 2 ? hex_digit(s.ptr[i + 2]) : -1;
        if (s.ptr[i] == '%' && high >= 0 && low >= 0) {
            out[len++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[len++] = s.ptr[i];
        }
    }
    return (struct str){ out, len };
}

static bool is_version(struct str segment)
{
    return segment.len >= 2 && segment.ptr[0] == 'v' && isdigit((unsigned char)segment.ptr[1]);
}

static enum provider path_provider(struct str segment)
{
    enum provider p;

    for (size_t i = 0; i < ARRAY_LEN(path_names); i++)
        if (str_ieq(path_names[i].name, segment))
            return path_names[i].provider;
    if (!provider_parse(segment, &p) || p == PROVIDER_COMPATIBLE)
        return PROVIDER_UNKNOWN;
    return p;
}

/* Empty segments (double slashes) are dropped. */
static void split_path(struct str path, struct arena *arena, struct path *ret)
{
    struct str rest = path, raw;

    *ret = (struct path){ 0 };
    while (str_split(&rest, '/', &raw)) {
        if (!raw.len)
            continue;
        if (ret->count == PATH_SEGMENTS_MAX) {
            memmove(ret->segments, ret->segments + 1,
                    (PATH_SEGMENTS_MAX - 1) * sizeof(ret->segments[0]));
            ret->count--;
        }
        ret->segments[ret->count++] = percent_decode(raw, arena);
        ret->first_bytes[(unsigned char)ret->segments[ret->count - 1].ptr[0]] = true;
    }
    ret->provider_at = ret->count;
    bool versioned = false;
    for (size_t i = 0; i < ret->count; i++) {
        versioned = versioned || is_version(ret->segments[i]);
        ret->versioned[i] = versioned;
    }
}

static void find_path_provider(struct path *path)
{
    for (size_t i = 0; i < path->count; i++) {
        path->provider = path_provider(path->segments[i]);
        if (path->provider == PROVIDER_UNKNOWN)
            continue;
        path->provider_at = i;
        return;
    }
}

struct match {
    size_t at; /* index of the first segment matched */
    unsigned bits;
    struct str model;
};

/* One segment against one of a template. */
static bool match_segment(struct str pattern, struct str segment, struct match *m)
{
    struct str hole = STR("{model}");

    if (str_eq(pattern, STR("{}")))
        return true;
    if (!str_starts_with(pattern, hole)) {
        m->bits += (unsigned)pattern.len * BITS_PER_BYTE;
        return str_eq(pattern, segment);
    }
    struct str action = str_sub(pattern, hole.len, pattern.len);
    if (segment.len <= action.len || !str_ends_with(segment, action))
        return false;
    m->bits += (unsigned)action.len * BITS_PER_BYTE;
    m->model = (struct str){ segment.ptr, segment.len - action.len };
    return true;
}

/* "model/{model+}/action": the segments between the first "model" and the action. */
static bool match_spread(const struct path *path, struct str action, struct arena *arena,
                         struct match *m)
{
    size_t from = 0, end = path->count - 1;

    if (path->count < 3 || !str_eq(path->segments[end], action))
        return false;
    while (from < end && !str_eq(path->segments[from], STR("model")))
        from++;
    if (from + 1 >= end)
        return false;
    size_t len = 0;
    for (size_t i = from + 1; i < end; i++)
        len += path->segments[i].len + 1;
    char *joined = arena_alloc(arena, len);
    size_t at = 0;
    for (size_t i = from + 1; i < end; i++) {
        if (at)
            joined[at++] = '/';
        if (path->segments[i].len)
            memcpy(joined + at, path->segments[i].ptr, path->segments[i].len);
        at += path->segments[i].len;
    }
    m->model = (struct str){ joined, at };
    m->at = from;
    m->bits = (unsigned)(strlen("model") + action.len) * BITS_PER_BYTE;
    return true;
}

/* What ends in a double star: the literal segments before it, anywhere. */
static bool match_below(const struct path *path, struct str pattern, struct match *m)
{
    for (size_t at = 0; at < path->count; at++) {
        struct str rest = pattern, segment;
        struct match tried = { .at = at };
        size_t i = at;
        bool same = true;
        while (same && str_split(&rest, '/', &segment))
            same = i < path->count && match_segment(segment, path->segments[i++], &tried);
        if (same) {
            *m = tried;
            return true;
        }
    }
    return false;
}

/* Most templates end in other words than the path, or begin with a byte no segment begins with. */
static bool may_match(struct str pattern, const struct path *path)
{
    char last = pattern.ptr[pattern.len - 1];
    struct str segment = path->count ? path->segments[path->count - 1] : (struct str){ 0 };

    if (!segment.len)
        return false;
    if (pattern.ptr[0] != '{' && !path->first_bytes[(unsigned char)pattern.ptr[0]])
        return false;
    if (last == '*' || last == '}')
        return true;
    for (size_t i = 1; i <= pattern.len && i <= segment.len; i++) {
        char c = pattern.ptr[pattern.len - i];
        if (c == '/' || c == '}')
            break;
        if (c != segment.ptr[segment.len - i])
            return false;
    }
    return true;
}

static bool match_path(struct str pattern, const struct path *path, struct arena *arena,
                       struct match *ret)
{
    struct str spread = STR("model/{model+}/");
    size_t count = 1;

    *ret = (struct match){ 0 };
    if (!may_match(pattern, path))
        return false;
    if (str_starts_with(pattern, spread))
        return match_spread(path, str_sub(pattern, spread.len, pattern.len), arena, ret);
    if (str_ends_with(pattern, STR("/**")))
        return match_below(path, str_sub(pattern, 0, pattern.len - 3), ret);
    for (size_t i = 0; i < pattern.len; i++)
        count += pattern.ptr[i] == '/';
    if (count > path->count)
        return false;
    ret->at = path->count - count;
    struct str segment;
    for (size_t i = ret->at; str_split(&pattern, '/', &segment); i++)
        if (!match_segment(segment, path->segments[i], ret))
            return false;
    return true;
}

static bool same_family(enum provider row, enum provider known)
{
    return row == PROVIDER_UNKNOWN || row == known ||
           (row == PROVIDER_GEMINI && known == PROVIDER_VERTEX);
}

/* Which provider a row may stand for here; UNKNOWN in *ret_provider if it may but nothing says. */
static bool row_allowed(const struct api_row *row, const struct recognition *rec,
                        const struct path *path, const struct match *m, enum provider *ret_provider)
{
    enum provider known = rec->provider;

    if (!rec->host_known && known == PROVIDER_UNKNOWN && path->provider_at < m->at)
        known = path->provider;
    *ret_provider = known;
    if (known != PROVIDER_UNKNOWN)
        return same_family(row->provider, known);
    if (row->flags & ROW_WEAK && !path->versioned[m->at])
        return false;
    if (row->provider == PROVIDER_UNKNOWN)
        return true;
    *ret_provider = row->provider;
    return row->flags & ROW_IMPLIES;
}

static void recognise_path(struct recognition *rec, const struct call *call,
                           const struct path *path, struct arena *arena)
{
    unsigned best_bits = 0;
    struct match best = { 0 };
    enum provider best_provider = PROVIDER_UNKNOWN;

    for (size_t i = 0; i < recognise_api_count; i++) {
        const struct api_row *row = &recognise_apis[i];
        struct match m;
        enum provider provider;
        if (!match_path(row->pattern, path, arena, &m) ||
            !row_allowed(row, rec, path, &m, &provider))
            continue;
        if (row->method && call->method.len && !str_ieq(str_from(row->method), call->method))
            continue;
        m.bits += row->method ? BITS_OF_METHOD : 0;
        m.bits += row->provider != PROVIDER_UNKNOWN ? BITS_OF_PROVIDER : 0;
        if (m.bits <= best_bits)
            continue;
        rec->row = row;
        best_bits = m.bits;
        best = m;
        best_provider = provider;
    }
    if (!rec->row)
        return;
    rec->api = rec->row->api;
    rec->wire = rec->row->wire;
    rec->model = best.model;
    if (!rec->host_known && rec->provider == PROVIDER_UNKNOWN) {
        rec->provider = best_provider;
        if (best_provider != PROVIDER_UNKNOWN)
            rec->by = "path";
    }
}

struct str recognise_without_collection(struct str model)
{
    static const struct str collections[] = { STR_INIT("models/"), STR_INIT("tunedModels/") };

    for (size_t i = 0; i < ARRAY_LEN(collections); i++)
        if (str_starts_with(model, collections[i]))
            return str_sub(model, collections[i].len, model.len);
    return model;
}

/* The segment after `name`. */
static struct str segment_after(const struct path *path, struct str name)
{
    for (size_t i = 0; i + 1 < path->count; i++)
        if (str_eq(path->segments[i], name))
            return path->segments[i + 1];
    return (struct str){ 0 };
}

static void find_path_geo(struct recognition *rec, const struct path *path)
{
    struct str arn = rec->model, field = { 0 };

    if (!rec->geo.len && rec->provider == PROVIDER_VERTEX)
        rec->geo = segment_after(path, STR("locations"));
    if (rec->geo.len || !str_starts_with(arn, STR("arn:")))
        return;
    /* arn:partition:service:region:account:resource */
    for (int i = 0; i < 4 && str_split(&arn, ':', &field); i++)
        ;
    rec->geo = field;
}

void recognise(const struct call *call, struct arena *arena, struct recognition *ret)
{
    char buffer[HOST_BYTES_MAX];
    struct str port, name = host_name(call->host, buffer, &port);
    struct path path;

    *ret = (struct recognition){ .wire = &wire_none };
    split_path(call->path, arena, &path);
    recognise_host(ret, name, arena);
    if (ret->host_known) {
        ret->by = "host";
    } else if (str_eq(port, STR(OLLAMA_PORT))) {
        ret->provider = PROVIDER_OLLAMA;
        ret->by = "port";
    }
    if (!ret->host_known)
        find_path_provider(&path);
    recognise_path(ret, call, &path, arena);
    ret->model = recognise_without_collection(ret->model);
    find_path_geo(ret, &path);
    if (!ret->row)
        ret->by = ret->host_known ? PATH_UNKNOWN : NOT_A_PROVIDER;
    /* A provider without an API is no recognition unless the host named it. */
    if (!ret->row && !ret->host_known)
        ret->provider = PROVIDER_UNKNOWN;
}

/* --- shape --- */

struct shape {
    struct str keys[SHAPE_MEMBERS_MAX];
    struct str values[SHAPE_MEMBERS_MAX]; /* strings only */
    size_t count;
    struct str event_name;
};

static void scan_shape(struct str json, struct shape *ret)
{
    struct jscan s;
    struct str key;

    jscan_init(&s, json);
    if (!jscan_enter_object(&s))
        return;
    while (ret->count < SHAPE_MEMBERS_MAX && jscan_next_member(&s, &key)) {
        struct str value = { 0 };
        enum jscan_type type = jscan_peek(&s);
        if (type == JSCAN_STRING)
            jscan_string_raw(&s, &value, NULL);
        else
            jscan_skip(&s);
        if (s.failed)
            break;
        if (type == JSCAN_NULL)
            continue;
        ret->keys[ret->count] = key;
        ret->values[ret->count++] = value;
    }
}

static bool shape_value_is(struct str value, const char *wanted)
{
    struct str pattern = str_from(wanted);

    if (str_ends_with(pattern, STR("*")))
        return str_starts_with(value, str_sub(pattern, 0, pattern.len - 1));
    return str_eq(value, pattern);
}

static bool shape_has_member(const struct shape *shape, struct str key, const char *value)
{
    for (size_t i = 0; i < shape->count; i++)
        if (str_eq(shape->keys[i], key) && (!value || shape_value_is(shape->values[i], value)))
            return true;
    return false;
}

/* "a+b": both members; value "@": the event's name instead. */
static bool shape_has(const struct shape *shape, const struct shape_row *row)
{
    struct str rest = str_from(row->member), key;

    if (row->value && strcmp(row->value, "@") == 0)
        return str_eq(shape->event_name, rest);
    while (str_split(&rest, '+', &key))
        if (!shape_has_member(shape, key, row->value))
            return false;
    return true;
}

bool recognise_shape(struct recognition *rec, struct str event_name, struct str json)
{
    struct shape shape = { .event_name = event_name };
    const struct shape_row *best = NULL;

    scan_shape(json, &shape);
    for (size_t i = 0; i < recognise_shape_count; i++)
        if (shape_has(&shape, &recognise_shapes[i]) &&
            (!best || recognise_shapes[i].bits > best->bits))
            best = &recognise_shapes[i];
    if (!best)
        return false;
    rec->api = best->api;
    rec->wire = best->wire;
    rec->by = rec->host_known ? "host" : "shape";
    return true;
}

/* --- what only one provider's answers carry --- */

static bool header_is(struct str name, const struct header_row *row)
{
    return row->is_prefix ? str_istarts_with(name, row->name) : str_ieq(name, row->name);
}

/* Four bytes, letters in lower case: rows have more in front of any '*', and nearly all headers
 * begin otherwise. */
static uint32_t beginning(const char *name)
{
    uint32_t four;

    memcpy(&four, name, sizeof(four));
    return four | 0x20202020;
}

static uint64_t one_of_64(uint32_t four)
{
    return UINT64_C(1) << (four * UINT32_C(2654435761) >> 26);
}

/* Of all rows; worked out once, by whichever threads come first. */
static uint64_t wanted_beginnings(void)
{
    static _Atomic uint64_t known;
    uint64_t wanted = atomic_load_explicit(&known, memory_order_relaxed);

    if (wanted)
        return wanted;
    wanted = one_of_64(beginning(LITELLM_PASSED_ON));
    for (size_t row = 0; row < recognise_header_count; row++)
        wanted |= one_of_64(beginning(recognise_headers[row].name.ptr));
    atomic_store_explicit(&known, wanted, memory_order_relaxed);
    return wanted;
}

/* Of the first row that one of them is. */
static enum provider headers_provider(const struct call *call)
{
    const uint32_t passed_on = beginning(LITELLM_PASSED_ON);
    const uint64_t wanted = wanted_beginnings();
    size_t best = recognise_header_count;

    for (size_t i = 0; i < call->response_header_count; i++) {
        struct str name = call->response_headers[i].name;
        uint32_t begins = name.len < sizeof(begins) ? 0 : beginning(name.ptr);
        if (!begins || !(wanted & one_of_64(begins)))
            continue;
        bool is_passed_on = begins == passed_on && str_istarts_with(name, STR(LITELLM_PASSED_ON));
        if (is_passed_on)
            name = str_sub(name, sizeof(LITELLM_PASSED_ON) - 1, name.len);
        for (size_t row = 0; row < best; row++)
            if ((is_passed_on || begins == beginning(recognise_headers[row].name.ptr)) &&
                header_is(name, &recognise_headers[row]))
                best = row;
    }
    return best < recognise_header_count ? recognise_headers[best].provider : PROVIDER_UNKNOWN;
}

bool recognise_header_tells(struct str name)
{
    struct call_header header = { .name = name };
    struct call call = { .response_headers = &header, .response_header_count = 1 };

    return headers_provider(&call) != PROVIDER_UNKNOWN;
}

void recognise_mark(struct recognition *rec, enum provider provider)
{
    if (rec->api == API_UNKNOWN || rec->provider != PROVIDER_UNKNOWN)
        return;
    rec->provider = provider;
    rec->by = "shape";
}

void recognise_provider(struct recognition *rec, const struct call *call, struct str response_id)
{
    if (rec->api == API_UNKNOWN || rec->provider != PROVIDER_UNKNOWN)
        return;
    rec->provider = headers_provider(call);
    if (rec->provider != PROVIDER_UNKNOWN) {
        rec->by = "header";
        return;
    }
    for (size_t i = 0; i < recognise_id_count; i++) {
        if (str_starts_with(response_id, str_from(recognise_ids[i].prefix))) {
            recognise_mark(rec, recognise_ids[i].provider);
            return;
        }
    }
    rec->provider = PROVIDER_COMPATIBLE;
    if (rec->row)
        rec->by = "path";
}
