/* plan_conf - weir's own `policy:` section, and the upstreams it names, as a plan: weir-config(5).
 */
#ifndef POLICY_PLAN_CONF_H
#define POLICY_PLAN_CONF_H

#include "base/yaml.h"
#include "policy/plan.h"

#define PLAN_CONF_TARGETS_MAX 64        /* of a route */
#define PLAN_CONF_ROWS_MAX    100000    /* of routes, of access rules, of limits, of upstreams */
#define PLAN_CONF_TOKENS_MAX  100000000 /* that a call can be taken to use */

/* Reads the sections of a whole configuration into an empty plan; name is the file's.  Unknown
 * keys, wrong types and upstreams that are not there are ERR_USAGE with name:line:column. */
int plan_conf_read(struct plan *p, const struct yaml *y, struct str name, struct err *err);

#endif
