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

#endif
