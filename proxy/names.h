/* names - what the names of headers mean to a proxy, as a set of bits: found out once for a line of
 * a connection (http1_tag_names), and asked for by each step of a call. */
#ifndef PROXY_NAMES_H
#define PROXY_NAMES_H

#include "base/http1.h"
#include "base/str.h"

enum {
    NAME_TAGGED = 1u << 0,       /* has been looked at */
    NAME_OURS = 1u << 1,         /* weir writes it itself, or keeps it to itself */
    NAME_ENCODINGS = 1u << 2,    /* accept-encoding */
    NAME_TRACE = 1u << 3,        /* traceparent */
    NAME_APP = 1u << 4,          /* x-weir-app */
    NAME_KEY = 1u << 5,          /* x-weir-key */
    NAME_AGENT = 1u << 6,        /* user-agent */
    NAME_SAID = 1u << 7,         /* what weir adds to answers */
    NAME_CREDENTIAL = 1u << 8,   /* callers send credentials in it */
    NAME_SIGNATURE = 1u << 9,    /* what a signature of the caller's is made of: weir signs anew */
    NAME_AWS_TOKEN = 1u << 10,   /* x-amz-security-token */
    NAME_CALLERS = 1u << 11,     /* who the caller is to the provider it asked for */
    NAME_REDACTABLE = 1u << 12,  /* its value may be another in the record: see redact_header */
    NAME_TRACE_STATE = 1u << 13, /* tracestate: of the trace that traceparent names */
    NAME_TYPE = 1u << 14,        /* content-type */
    NAME_CODING = 1u << 15,      /* content-encoding */
    NAME_COST = 1u << 16, /* of answers: what they cost can depend on it, or how to read it */
};

uint32_t names_tag(struct str name);

/* The bits of h, wherever it comes from. */
static inline uint32_t names_of(const struct http1_header *h)
{
    return h->tags ? h->tags : names_tag(h->name);
}
/* The first header with that bit, or NULL; and its value, or empty. */
const struct http1_header *names_find(const struct http1_head *head, uint32_t bit);
static inline struct str names_value(const struct http1_head *head, uint32_t bit)
{
    const struct http1_header *h = names_find(head, bit);

    return h ? h->value : STR("");
}

#endif
