/* billing - whom the bills of a provider are made out to: the configuration's section billing. */
#ifndef ANALYZE_BILLING_H
#define ANALYZE_BILLING_H

#include "base/err.h"
#include "base/str.h"
#include "llm/provider.h"

/* Who a provider is on a bill. */
struct billing_party {
    const char *provider; /* "Amazon Web Services" */
    const char *service;  /* "Amazon Bedrock" */
    struct str account_id, account_name, invoice_issuer;
};

struct billing {
    struct billing_party of[PROVIDER_COUNT];
};

/* What holds where the configuration says nothing: the account is the provider, by its name here
 * and its own, and it makes out its invoices itself. */
void billing_default(struct billing *ret);

struct conf;
/* Lays the configuration's section over what is there; the texts are the configuration's.  Errors
 * name file, line and column. */
int billing_read(const struct conf *conf, struct billing *b, struct err *err);

#endif
