#include "config.h"

#include "proxy/names.h"

#include "base/mem.h"
#include "capture/redact.h"
#include "llm/cost_shape.h"

static const struct {
    struct str name;
    uint32_t bits;
} rows[] = {
    {STR_INIT("host"),                  NAME_OURS                     },
    { STR_INIT("expect"),               NAME_OURS                     },
    { STR_INIT("traceparent"),          NAME_OURS | NAME_TRACE        },
    { STR_INIT("tracestate"),           NAME_TRACE_STATE              },
    { STR_INIT("x-weir-app"),           NAME_APP                      },
    { STR_INIT("x-weir-key"),           NAME_KEY                      },
    { STR_INIT("x-weir-exchange-id"),   NAME_SAID                     },
    { STR_INIT("x-weir-policy"),        NAME_SAID                     },
    { STR_INIT("user-agent"),           NAME_AGENT                    },
    { STR_INIT("accept-encoding"),      NAME_ENCODINGS                },
    { STR_INIT("authorization"),        NAME_CREDENTIAL | NAME_CALLERS},
    { STR_INIT("x-api-key"),            NAME_CREDENTIAL | NAME_CALLERS},
    { STR_INIT("api-key"),              NAME_CREDENTIAL | NAME_CALLERS},
    { STR_INIT("x-goog-api-key"),       NAME_CREDENTIAL | NAME_CALLERS},
    { STR_INIT("cookie"),               NAME_CALLERS                  },
    { STR_INIT("openai-organization"),  NAME_CALLERS                  },
    { STR_INIT("openai-project"),       NAME_CALLERS                  },
    { STR_INIT("x-goog-user-project"),  NAME_CALLERS                  },
    { STR_INIT("x-amz-security-token"), NAME_CALLERS | NAME_AWS_TOKEN },
    { STR_INIT("x-amz-date"),           NAME_SIGNATURE                },
    { STR_INIT("x-amz-content-sha256"), NAME_SIGNATURE                },
    { STR_INIT("content-type"),         NAME_TYPE                     },
    { STR_INIT("content-encoding"),     NAME_CODING                   },
};

uint32_t names_tag(struct str name)
{
    uint32_t bits = NAME_TAGGED;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (name.len == rows[i].name.len && str_ieq(name, rows[i].name))
            bits |= rows[i].bits;
    if (str_istarts_with(name, STR("x-weir-")))
        bits |= NAME_OURS;
    if (cost_shape_header(name))
        bits |= NAME_COST;
    return redact_keeps_header(name) ? bits : bits | NAME_REDACTABLE;
}

const struct http1_header *names_find(const struct http1_head *head, uint32_t bit)
{
    if (head->tags && !(head->tags & bit))
        return NULL;
    for (size_t i = 0; i < head->header_count; i++)
        if (names_of(&head->headers[i]) & bit)
            return &head->headers[i];
    return NULL;
}
