/* plan_conf_read - values of a configuration with their places, for policy/plan_conf alone. */
#ifndef POLICY_PLAN_CONF_READ_H
#define POLICY_PLAN_CONF_READ_H

#include "base/map.h"
#include "base/yaml.h"
#include "policy/plan_conf.h"

#define PLAN_CONF_NAME_BYTES_MAX 256 /* of a pattern: an ARN of Bedrock's has 120 */

struct plan_reader {
    struct plan *plan;
    const struct yaml *y;
    const struct yaml_node *upstreams;
    struct map upstreams_by_name; /* -> the node */
    struct map route_names;
    struct str file;
    struct err *err;
};

struct plan_place plan_conf_place(const struct plan_reader *r, const struct yaml_node *n);
struct plan_place plan_conf_key_place(const struct plan_reader *r, const struct yaml_node *n);
/* "expected ..., got ..." */
int plan_conf_wrong(const struct plan_reader *r, const struct yaml_node *n, const char *wanted);

/* Of a key in a map; without it *ret stays as it is. */
int plan_conf_duration(struct plan_reader *r, const struct yaml_node *map, const char *key,
                       struct plan_value *ret);
struct plan_conf_range {
    int64_t least, most;
};
int plan_conf_count(struct plan_reader *r, const struct yaml_node *map, const char *key,
                    struct plan_conf_range range, struct plan_value *ret);
/* The key is named mode or policy. */
int plan_conf_mode(struct plan_reader *r, const struct yaml_node *map, const char *key,
                   enum plan_mode *ret);
/* A pattern or a list of them. */
int plan_conf_names(struct plan_reader *r, const struct yaml_node *map, const char *key,
                    struct plan_names *ret);
int plan_conf_want_list(const struct plan_reader *r, const struct yaml_node *n);

/* Access and limits of the section; then budgets and modes of applications, which are elsewhere. */
int plan_conf_rules(struct plan_reader *r, const struct yaml_node *policy);
int plan_conf_payers(struct plan_reader *r, const struct yaml_node *root);

#endif
