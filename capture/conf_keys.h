/* conf_keys - a document against the table of keys (private to capture/conf). */
#ifndef CAPTURE_CONF_KEYS_H
#define CAPTURE_CONF_KEYS_H

#include "base/err.h"
#include "base/yaml.h"
#include "capture/conf.h"

/* Every key known, every value of its type: ERR_USAGE with file:line:column otherwise. */
int conf_check_keys(const struct yaml *y, const struct yaml_node *root, struct err *err);

/* Reads the section `redaction`, of which the keys are checked, into c. */
int conf_read_redaction(struct conf *c, const struct yaml *y, const struct yaml_node *root,
                        struct err *err);

/* Reads budgets and the section `alerts`, of which the keys are checked, into c; folder as in
 * conf_parse. */
int conf_read_alerts(struct conf *c, const struct yaml *y, const struct yaml_node *root,
                     const char *folder, struct err *err);
/* A path of the file, made relative to where the program runs; "" if n is NULL. */
struct str conf_path_of(struct conf *c, const struct yaml_node *n, const char *folder);

/* "4000 USD", not negative, in 1e-12 USD; and "30%" in millionths, more than 0 and at most
 * 1,000,000 %. */
bool conf_money_parse(struct str text, i128 *ret_pusd);
bool conf_percent_parse(struct str text, int64_t *ret_micro);

#endif
