/* toml - a TOML 1.0 document as the same tree that base/yaml makes: every node knows its place.
 *
 * Tables are maps, arrays lists, everything else scalars: strings count as quoted, numbers are
 * written in decimal without underscores (0x, 0o and 0b included), dates and times are text.
 * yaml_get, yaml_int and their kin read it, yaml_err names places, yaml_free frees it.
 *
 * Strict: what TOML forbids (a key or table given twice, an inline table extended later) is an
 * error with name:line:column.  Also taken, as TOML 1.1 has it: new lines, comments and a last
 * comma in inline tables.
 */
#ifndef BASE_TOML_H
#define BASE_TOML_H

#include "base/err.h"
#include "base/str.h"
#include "base/yaml.h"

/* Limits are YAML_NODES_MAX and YAML_DEPTH_MAX. */
int toml_parse(struct str text, const char *name, struct yaml **ret, struct err *err);

#endif
