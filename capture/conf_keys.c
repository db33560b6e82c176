/* The keys of the configuration and the check of a document against them. */
#include "config.h"

#include "capture/conf_keys.h"

#include <stdio.h>

#include "base/decimal.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/timestamp.h"

#define KEYS_MAX 32 /* of one map */

static const char *const durabilities[] = { "batch", "strict", "relaxed", NULL };
static const char *const pressures[] = { "block", "drop_bodies", "refuse", NULL };
static const char *const apis[] = { "openai",  "azure_openai", "anthropic", "gemini",
                                    "bedrock", "ollama",       "other",     NULL };
static const char *const arms[] = { "direct", "gateway", NULL };
static const char *const key_words[] = { "pass", "none", NULL };
static const char *const risks[] = { "low", "medium", "high", NULL };

static const struct conf_key segment_keys[] = {
    {"bytes",                                   CONF_SIZE, "seal a segment when it holds this much", NULL, NULL },
    { "age", CONF_DURATION, "seal a segment when it is this old", NULL, NULL },
    { 0                                    },
};
static const struct conf_key archive_keys[] = {
    {"path",                                                            CONF_PATH, "the archive's folder", NULL, NULL },
    { "key_file",                                           CONF_PATH, "the key for fingerprints, shared by an organisation's archives", NULL,
     NULL },
    { "durability",                                                             CONF_CHOICE, "how soon what is recorded is on disk", NULL, durabilities },
    { "segment",                                                       CONF_MAP, "when to seal", segment_keys, NULL },
    { "on_pressure", CONF_CHOICE, "what the proxy does while records cannot be written", NULL,
     pressures },
    { 0                                                             },
};
static const struct conf_key secret_keys[] = {
    {"env",                                     CONF_STRING, "the environment variable that holds it", NULL, NULL },
    { "file", CONF_PATH, "the file that holds it", NULL, NULL },
    { 0                                    },
};
static const struct conf_key aws_keys[] = {
    {"access_key",                          CONF_MAP, "the access key id", secret_keys, NULL },
    { "secret_key",                  CONF_MAP, "the secret access key", secret_keys, NULL },
    { "session_token",                                 CONF_MAP, "the token of temporary credentials", secret_keys, NULL },
    { "file",                         CONF_PATH, "a credentials file to take them from instead", NULL, NULL },
    { "profile",              CONF_STRING, "which of the credentials file's", NULL, NULL },
    { "region",                                 CONF_STRING, "the region signed for", NULL, NULL },
    { "service",                      CONF_STRING, "the service signed for", NULL, NULL },
    { 0},
};
static const struct conf_key upstream_key_keys[] = {
    {"env",                                     CONF_STRING, "the environment variable that holds it", NULL, NULL },
    { "file", CONF_PATH, "the file that holds it", NULL, NULL },
    { "aws",                                     CONF_MAP, "credentials to sign calls with (SigV4)", aws_keys, NULL },
    { 0                                  },
};
static const struct conf_key client_keys[] = {
    {"hash",                          CONF_STRING, "what weir proxy key printed", NULL, NULL },
    { "app",  CONF_STRING, "the app whose calls it makes", NULL, NULL },
    { "role",                           CONF_STRING, "of who holds it, for rules of access", NULL, NULL },
    { "expires",                          CONF_STRING, "when it ends: 2027-01-01, or with a time", NULL, NULL },
    { "revoked", CONF_BOOL, "true to refuse it from now on", NULL, NULL },
    { 0                          },
};
static const struct conf_key clients_keys[] = {
    {"keys",                                  CONF_NAMED, "keys that applications hold, by name", client_keys, NULL },
    { "required", CONF_BOOL, "whether a call needs one", NULL, NULL },
    { 0                                  },
};
static const struct conf_key reload_keys[] = {
    {"watch",                       CONF_BOOL, "reload when a file changes", NULL, NULL },
    { 0},
};
static const struct conf_key cutover_keys[] = {
    {"file",                                            CONF_PATH, "what weir migrate writes and the proxy follows", NULL, NULL },
    { 0},
};
static const struct conf_key timeout_keys[] = {
    {"connect",                         CONF_DURATION, "for a connection, TLS included", NULL, NULL },
    { "head", CONF_DURATION, "from the end of the request to the first byte of the answer", NULL,
     NULL },
    { "idle",                             CONF_DURATION, "between two pieces of the answer", NULL, NULL },
    { 0                          },
};
static const struct conf_key upstream_keys[] = {
    {"url",                                      CONF_URL, "where it is", NULL, NULL },
    { "api",                             CONF_CHOICE, "which provider's interface it speaks", NULL, apis },
    { "arm",                                      CONF_CHOICE, "whether it is the provider or a gateway", NULL, arms },
    { "key",                                     CONF_MAP, "the credential to send it, pass or none", upstream_key_keys, key_words },
    { "key_header",    CONF_STRING, "the header that carries the credential", NULL, NULL },
    { "requires_key",                                      CONF_BOOL, "whether a call needs a key of clients", NULL, NULL },
    { "hosts",                                     CONF_PATTERNS, "names that callers may reach it by, in the Host header", NULL,
     NULL },
    { "ca", CONF_PATH, "certificates to trust instead of the system's", NULL, NULL },
    { "proxy",                                      CONF_STRING, "the corporate proxy on the way to it, or none", NULL, NULL },
    { "proxy_ca",                                     CONF_PATH, "certificates to trust where that proxy speaks TLS", NULL, NULL },
    { "connections", CONF_COUNT, "open to it at most, for each worker", NULL, NULL },
    { "timeouts",                                 CONF_MAP, "how long to wait for it", timeout_keys, NULL },
    { 0                             },
};
static const char *const policy_modes[] = { "off", "observe", "warn", "enforce", NULL };
static const struct conf_key budget_keys[] = {
    {"day",              CONF_MONEY, "allowed a day", NULL, NULL },
    { "week",   CONF_MONEY, "allowed a week", NULL, NULL },
    { "month",              CONF_MONEY, "allowed a month", NULL, NULL },
    { "alert_at",            CONF_PERCENTS, "shares of the budget at which to speak up", NULL, NULL },
    { "hard",  CONF_BOOL, "whether calls are refused once it is spent", NULL, NULL },
    { "mode",              CONF_CHOICE, "of the policy, for this budget", NULL, policy_modes },
    { "assume_output",           CONF_COUNT, "tokens that a call may bring if it sets no bound", NULL, NULL },
    { 0},
};
static const struct conf_key payer_keys[] = {
    {"owner",        CONF_STRING, "whom to ask", NULL, NULL },
    { "budget", CONF_MAP, "what it may cost", budget_keys, NULL },
    { 0         },
};
static const struct conf_key webhook_keys[] = {
    {"url",                         CONF_URL, "where alerts are posted", NULL, NULL },
    { "secret",    CONF_MAP, "what posts are signed with", secret_keys, NULL },
    { "ca",                         CONF_PATH, "certificates to trust instead of the system's", NULL, NULL },
    { "timeout",                     CONF_DURATION, "how long to wait for the receiver", NULL, NULL },
    { "tries", CONF_COUNT, "how often to try", NULL, NULL },
    { 0                        },
};
static const struct conf_key alerts_keys[] = {
    {"by",                                            CONF_PATTERNS, "dimensions that are watched beside the whole", NULL, NULL },
    { "floor", CONF_MONEY, "less than this is nothing to speak of", NULL, NULL },
    { "change",                                           CONF_PERCENT, "rise over the month before, on equal days", NULL, NULL },
    { "spike",                                        CONF_PERCENT, "rise of a day over what is usual", NULL, NULL },
    { "drift",        CONF_PERCENT, "rise of a week over what is usual", NULL, NULL },
    { "unattributed",                                           CONF_PERCENT, "share of the cost that nobody owns", NULL, NULL },
    { "shift",                                       CONF_PERCENT, "errors or latency over those of before", NULL, NULL },
    { "webhook",    CONF_MAP, "whom to tell", webhook_keys, NULL },
    { 0                                          },
};
static const struct conf_key app_keys[] = {
    {"team",                            CONF_STRING, "who runs it", NULL, NULL },
    { "business_unit",                    CONF_STRING, "who pays for it", NULL, NULL },
    { "environment",                             CONF_STRING, "production, staging or another", NULL, NULL },
    { "purpose",                  CONF_STRING, "what it is for", NULL, NULL },
    { "owner",                CONF_STRING, "whom to ask", NULL, NULL },
    { "risk",                             CONF_CHOICE, "how much depends on it", NULL, risks },
    { "upstream",                    CONF_STRING, "where its calls go that name no upstream", NULL, NULL },
    { "budget", CONF_MAP, "what it may cost", budget_keys, NULL },
    { "policy",                             CONF_CHOICE, "the strictest mode in which the policy acts on it", NULL,
     policy_modes },
    { 0                       },
};
static const struct conf_key attribution_keys[] = {
    {"path_prefix",                             CONF_PATTERNS, "if the path is this or lies below it", NULL, NULL },
    { "host",   CONF_PATTERNS, "if the host called matches", NULL, NULL },
    { "key_id",                                     CONF_PATTERNS, "if the credential has this fingerprint", NULL, NULL },
    { "app_header",                                   CONF_PATTERNS, "if the header x-weir-app matches", NULL, NULL },
    { "user_agent",             CONF_PATTERNS, "if the client's name matches", NULL, NULL },
    { "network",                                     CONF_PATTERNS, "if the client's address lies in it", NULL, NULL },
    { "upstream",                                 CONF_PATTERNS, "if it went to this upstream", NULL, NULL },
    { "provider", CONF_PATTERNS, "if this provider answered", NULL, NULL },
    { "model",                                     CONF_PATTERNS, "if the model matches", NULL, NULL },
    { "end_user",                             CONF_PATTERNS, "if the end user is this one", NULL, NULL },
    { "label",       CONF_LABELS, "if labels of the record match", NULL, NULL },
    { "body",                                     CONF_LABELS,
     "if members of the request match: metadata.NAME, user, safety_identifier", NULL, NULL },
    { "app",                             CONF_STRING, "then the app is this", NULL, NULL },
    { "team",           CONF_STRING, "then the team is this", NULL, NULL },
    { "business_unit",                                     CONF_STRING, "then the business unit is this", NULL, NULL },
    { "environment",                                CONF_STRING, "then the environment is this", NULL, NULL },
    { "purpose",     CONF_STRING, "then the purpose is this", NULL, NULL },
    { "set_end_user",                                     CONF_STRING, "then the end user is this", NULL, NULL },
    { 0                              },
};
static const struct conf_key tls_keys[] = {
    {"cert",                                CONF_PATH, "the certificate and its chain, PEM", NULL, NULL },
    { "key", CONF_PATH, "its private key, PEM", NULL, NULL },
    { "tickets",                                 CONF_DURATION, "how long one key makes session tickets", NULL, NULL },
    { 0                               },
};
static const struct conf_key listen_keys[] = {
    {"address",                                           CONF_ADDRESS, "where applications connect", NULL, NULL },
    { "unix",                       CONF_PATH, "a socket file where applications connect as well", NULL, NULL },
    { "unix_group",                                               CONF_STRING, "a group whose members may connect there", NULL, NULL },
    { "admin",                                             CONF_ADDRESS, "where /healthz, /readyz and /metrics answer", NULL, NULL },
    { "status", CONF_PATH, "the socket file of weir proxy status", NULL, NULL },
    { "workers",                                               CONF_COUNT, "processes that carry traffic", NULL, NULL },
    { "tls",                                       CONF_MAP, "what to be known by", tls_keys, NULL },
    { "allow_plaintext",          CONF_BOOL, "accept clear text from other machines", NULL, NULL },
    { "grace",                                               CONF_DURATION, "how long calls under way may take once told to stop", NULL, NULL },
    { "user",                                            CONF_STRING, "the user to become once the ports are open", NULL, NULL },
    { "group",      CONF_STRING, "the group, if not that user's", NULL, NULL },
    { 0                                              },
};
static const struct conf_key limit_keys[] = {
    {"head",                    CONF_SIZE, "start line and headers", NULL, NULL },
    { "headers", CONF_COUNT, "header lines", NULL, NULL },
    { "body",                     CONF_SIZE, "of a request", NULL, NULL },
    { "connections",                CONF_COUNT, "of applications, for each worker", NULL, NULL },
    { "streams",           CONF_COUNT, "of a connection in HTTP/2", NULL, NULL },
    { "head_time",                     CONF_DURATION, "from the first byte of a request to the end of its head", NULL,
     NULL },
    { "body_time",                   CONF_DURATION, "between two pieces of a request's body", NULL, NULL },
    { "idle_time",           CONF_DURATION, "between two requests", NULL, NULL },
    { "send_time",                     CONF_DURATION, "that a client may take nothing of its answer", NULL, NULL },
    { 0           },
};
static const struct conf_key pattern_keys[] = {
    {"name",                                             CONF_STRING, "what it is called", NULL, NULL },
    { "pattern",                               CONF_STRING, "a Perl-compatible regular expression over bytes", NULL, NULL },
    { "replace",                                              CONF_STRING, "what stands there instead; [NAME] if not said", NULL, NULL },
    { "apply_to",                                         CONF_PATTERNS, "requests, answers, heads", NULL, NULL },
    { 0},
};
static const struct conf_key redaction_keys[] = {
    {"rules",                                              CONF_PATTERNS, "shipped rules, all or none", NULL, NULL },
    { "patterns",                        CONF_LIST, "rules of your own", pattern_keys, NULL },
    { "apply_to",                                                CONF_PATTERNS, "requests, answers, heads; all of them if not said", NULL, NULL },
    { "upstreams",                                          CONF_PATTERNS, "only in calls to these", NULL, NULL },
    { "apps",                                 CONF_PATTERNS, "only in calls of these", NULL, NULL },
    { "hold_bytes",                                                CONF_SIZE, "of a body, held until it can be looked at", NULL, NULL },
    { "hold_total",                                          CONF_SIZE, "of all bodies held, for each worker", NULL, NULL },
    { 0},
};
static const struct conf_key billing_keys[] = {
    {"account_id",                     CONF_STRING, "of the account that is billed", NULL, NULL },
    { "account_name", CONF_STRING, "what it is called", NULL, NULL },
    { "invoice_issuer",                            CONF_STRING, "who makes out the invoices, if not the provider", NULL,
     NULL },
    { 0                 },
};
static const struct conf_key top_keys[] = {
    {"archive",                           CONF_MAP, "where records are kept", archive_keys, NULL },
    { "upstreams",           CONF_NAMED, "providers and gateways, by name", upstream_keys, NULL },
    { "apps",                               CONF_NAMED, "applications, by name", app_keys, NULL },
    { "teams",                        CONF_NAMED, "teams, by name", payer_keys, NULL },
    { "business_units",  CONF_NAMED, "business units, by name", payer_keys, NULL },
    { "budget",                               CONF_MAP, "what all of it may cost", budget_keys, NULL },
    { "attribution",                             CONF_LIST, "rules that say who caused a call", attribution_keys, NULL },
    { "prices",            CONF_PATHS, "price files on top of the price book", NULL, NULL },
    { "billing",                               CONF_NAMED, "whom bills are made out to, by provider", billing_keys, NULL },
    { "listen",                            CONF_MAP, "where the proxy listens", listen_keys, NULL },
    { "clients",                   CONF_MAP, "who may call", clients_keys, NULL },
    { "reload",                               CONF_MAP, "when to read the configuration again", reload_keys, NULL },
    { "cutover",                   CONF_MAP, "which calls go to the gateway instead", cutover_keys, NULL },
    { "policy",          CONF_LATER, "access, limits and routes", NULL, NULL },
    { "limits",                               CONF_MAP, "what a client can make the proxy hold", limit_keys, NULL },
    { "redaction",                           CONF_MAP, "what to take out of what is recorded", redaction_keys, NULL },
    { "retention",          CONF_LATER, "how long to keep what", NULL, NULL },
    { "alerts",                               CONF_MAP, "what to speak up about", alerts_keys, NULL },
    { "replay",                      CONF_LATER, "what-if scenarios", NULL, NULL },
    { "migrate", CONF_LATER, "the move behind a gateway", NULL, NULL },
    { 0                              },
};

const struct conf_key *conf_keys(void)
{
    return top_keys;
}

static int check_map(const struct yaml *y, const struct yaml_node *n, const struct conf_key *keys,
                     struct err *err);

static int want_map(const struct yaml *y, const struct yaml_node *n, const char *of,
                    struct err *err)
{
    if (n->kind == YAML_MAP)
        return 0;
    return yaml_err(y, n, err, "expected a map of %s, got %s", of,
                    n->kind == YAML_LIST ? "a list" : "a single value");
}

static int check_text(const struct yaml *y, const struct yaml_node *n, struct err *err)
{
    struct str text;
    if (yaml_str(y, n, &text, err) < 0)
        return -1;
    if (text.len == 0)
        return yaml_err(y, n, err, "expected a value, got nothing: leave the key out instead");
    return 0;
}

static int check_url(const struct yaml *y, const struct yaml_node *n, struct err *err)
{
    if (check_text(y, n, err) < 0)
        return -1;
    if (!str_starts_with(n->text, STR("http://")) && !str_starts_with(n->text, STR("https://")))
        return yaml_err(y, n, err, "expected a URL (https://host/path), got '%.*s'",
                        STR_ARG(n->text));
    if (str_find_char(n->text, '@', 0) >= 0)
        return yaml_err(y, n, err, "a URL may not hold credentials: use key: {env: NAME}");
    return 0;
}

bool conf_size_parse(struct str text, int64_t *ret_bytes)
{
    static const struct {
        const char *name;
        int shift;
    } units[] = {
        {"",     0 },
        { "B",   0 },
        { "KiB", 10},
        { "MiB", 20},
        { "GiB", 30},
        { "TiB", 40}
    };
    size_t digits = 0;
    int64_t number;

    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    struct str unit = str_trim(str_sub(text, digits, text.len));
    if (!str_to_i64(str_sub(text, 0, digits), &number))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (!str_eq(unit, str_from(units[i].name)) || number > INT64_MAX >> units[i].shift)
            continue;
        *ret_bytes = number << units[i].shift;
        return true;
    }
    return false;
}

static int check_size(const struct yaml *y, const struct yaml_node *n, struct err *err)
{
    int64_t bytes;

    if (check_text(y, n, err) < 0)
        return -1;
    if (!conf_size_parse(n->text, &bytes))
        return yaml_err(y, n, err, "expected a size such as 256MiB, got '%.*s'", STR_ARG(n->text));
    return 0;
}

static int check_count(const struct yaml *y, const struct yaml_node *n, struct err *err)
{
    int64_t number;

    if (yaml_int(y, n, &number, err) < 0)
        return -1;
    if (number < 0)
        return yaml_err(y, n, err, "expected a number from 0, got '%.*s'", STR_ARG(n->text));
    return 0;
}

static int check_bool(const struct yaml *y, const struct yaml_node *n, struct err *err)
{
    bool value;

    return yaml_bool(y, n, &value, err);
}

bool conf_address_parse(struct str text, struct str *ret_host, uint16_t *ret_port)
{
    size_t colon = text.len;
    int64_t port;

    while (colon > 0 && text.ptr[colon - 1] != ':')
        colon--;
    if (colon < 2 || !str_to_i64(str_sub(text, colon, text.len), &port) || port < 0 ||
        port > UINT16_MAX)
        return false;
    struct str host = str_sub(text, 0, colon - 1);
    if (host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = str_sub(host, 1, host.len - 2);
    else if (str_find_char(host, ':', 0) >= 0)
        return false; /* IPv6 without brackets: where does the port begin? */
    if (!host.len)
        return false;
    *ret_host = host;
    *ret_port = (uint16_t)port;
    return true;
}

static int check_address(const struct yaml *y, const struct yaml_node *n, struct err *err)
{
    struct str host;
    uint16_t port;

    if (check_text(y, n, err) < 0)
        return -1;
    if (!conf_address_parse(n->text, &host, &port))
        return yaml_err(y, n, err, "expected an address such as 127.0.0.1:8700, got '%.*s'",
                        STR_ARG(n->text));
    return 0;
}

static int check_duration(const struct yaml *y, const struct yaml_node *n, struct err *err)
{
    int64_t us;
    if (check_text(y, n, err) < 0)
        return -1;
    if (!duration_parse(n->text, &us))
        return yaml_err(y, n, err, "expected a duration such as 15m or 90d, got '%.*s'",
                        STR_ARG(n->text));
    return 0;
}

static int check_money(const struct yaml *y, const struct yaml_node *n, struct err *err)
{
    i128 pusd;

    if (check_text(y, n, err) < 0)
        return -1;
    if (!conf_money_parse(n->text, &pusd))
        return yaml_err(y, n, err, "expected an amount such as 4000 USD, got '%.*s'",
                        STR_ARG(n->text));
    return 0;
}

static int check_percent(const struct yaml *y, const struct yaml_node *n, struct err *err)
{
    int64_t micro;

    if (check_text(y, n, err) < 0)
        return -1;
    if (!conf_percent_parse(n->text, &micro))
        return yaml_err(y, n, err, "expected a share such as 80%%, got '%.*s'", STR_ARG(n->text));
    return 0;
}

static int check_percents(const struct yaml *y, const struct yaml_node *n, struct err *err)
{
    if (n->kind != YAML_LIST || n->len == 0)
        return yaml_err(y, n, err, "expected a list such as [50%%, 100%%]");
    for (const struct yaml_node *i = n->items; i; i = i->next)
        if (check_percent(y, i, err) < 0)
            return -1;
    return 0;
}

static int check_patterns(const struct yaml *y, const struct yaml_node *n, struct err *err)
{
    if (n->kind == YAML_SCALAR)
        return check_text(y, n, err);
    if (n->kind == YAML_MAP || n->len == 0)
        return yaml_err(y, n, err, "expected a value or a list of values");
    for (const struct yaml_node *i = n->items; i; i = i->next)
        if (check_text(y, i, err) < 0)
            return -1;
    return 0;
}

static int check_labels(const struct yaml *y, const struct yaml_node *n, struct err *err)
{
    if (want_map(y, n, "labels", err) < 0)
        return -1;
    for (const struct yaml_node *i = n->items; i; i = i->next)
        if (check_patterns(y, i, err) < 0)
            return -1;
    return 0;
}

static int check_choice(const struct yaml *y, const struct yaml_node *n, const char *const *choices,
                        struct err *err)
{
    if (check_text(y, n, err) < 0)
        return -1;
    for (size_t i = 0; choices[i]; i++)
        if (str_eq(n->text, str_from(choices[i])))
            return 0;

    struct buf list = { 0 };
    for (size_t i = 0; choices[i]; i++)
        buf_addf(&list, "%s%s", i ? ", " : "", choices[i]);
    const char *near = nearest_of(n->text, choices);
    yaml_err(y, n, err, "expected one of %s, got '%.*s'%s%s%s", buf_cstr(&list), STR_ARG(n->text),
             near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
    buf_release(&list);
    return -1;
}

typedef int (*check_fn)(const struct yaml *y, const struct yaml_node *n, struct err *err);

/* Types that need nothing but the node. */
static const check_fn plain_checks[] = {
    [CONF_STRING] = check_text,
    [CONF_PATH] = check_text,
    [CONF_URL] = check_url,
    [CONF_SIZE] = check_size,
    [CONF_COUNT] = check_count,
    [CONF_BOOL] = check_bool,
    [CONF_ADDRESS] = check_address,
    [CONF_DURATION] = check_duration,
    [CONF_MONEY] = check_money,
    [CONF_PERCENT] = check_percent,
    [CONF_PERCENTS] = check_percents,
    [CONF_PATTERNS] = check_patterns,
    [CONF_PATHS] = check_patterns,
    [CONF_LABELS] = check_labels,
    [CONF_LATER] = NULL,
};

static int check_maps(const struct yaml *y, const struct yaml_node *n, const struct conf_key *key,
                      struct err *err)
{
    if (key->type == CONF_LIST && n->kind != YAML_LIST)
        return yaml_err(y, n, err, "expected a list of rules (lines that begin with '- ')");
    if (key->type == CONF_NAMED && want_map(y, n, key->name, err) < 0)
        return -1;
    for (const struct yaml_node *i = n->items; i; i = i->next) {
        if (i->key && i->key->text.len == 0)
            return yaml_err(y, i->key, err, "a name may not be empty");
        if (check_map(y, i, key->keys, err) < 0)
            return -1;
    }
    return 0;
}

/* A map, or one of a few words instead.  What stands there may be a secret: it is not repeated. */
static int check_map_or_word(const struct yaml *y, const struct yaml_node *n,
                             const struct conf_key *key, struct err *err)
{
    if (!key->choices || n->kind != YAML_SCALAR)
        return check_map(y, n, key->keys, err);
    for (size_t i = 0; key->choices[i]; i++)
        if (str_eq(n->text, str_from(key->choices[i])))
            return 0;
    struct buf list = { 0 };
    for (size_t i = 0; key->choices[i]; i++)
        buf_addf(&list, ", or %s", key->choices[i]);
    yaml_err(y, n, err, "expected a map of settings, such as {%s: ...}%s", key->keys[0].name,
             buf_cstr(&list));
    buf_release(&list);
    return -1;
}

static int check_value(const struct yaml *y, const struct yaml_node *n, const struct conf_key *key,
                       struct err *err)
{
    switch (key->type) {
    case CONF_MAP:
        return check_map_or_word(y, n, key, err);
    case CONF_NAMED:
    case CONF_LIST:
        return check_maps(y, n, key, err);
    case CONF_CHOICE:
        return check_choice(y, n, key->choices, err);
    default:
        return plain_checks[key->type] ? plain_checks[key->type](y, n, err) : 0;
    }
}

static int check_map(const struct yaml *y, const struct yaml_node *n, const struct conf_key *keys,
                     struct err *err)
{
    const char *known[KEYS_MAX + 1] = { 0 };
    char first[80] = "settings";
    for (size_t i = 0; keys[i].name && i < KEYS_MAX; i++)
        known[i] = keys[i].name;

    if (known[0])
        snprintf(first, sizeof(first), "settings, such as {%s: ...}", known[0]);
    if (want_map(y, n, first, err) < 0 || yaml_check_keys(y, n, known, err) < 0)
        return -1;
    for (size_t i = 0; keys[i].name; i++) {
        const struct yaml_node *value = yaml_get(n, keys[i].name);
        if (value && check_value(y, value, &keys[i], err) < 0)
            return -1;
    }
    return 0;
}

int conf_check_keys(const struct yaml *y, const struct yaml_node *root, struct err *err)
{
    return check_map(y, root, top_keys, err);
}
