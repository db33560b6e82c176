/* cutover_file - the file that a cutover (policy/cutover) is read from, and whether it fits a
 * configuration.
 *
 * The parent alone reads it and hands its text to the workers, so that all follow the same one.
 */
#ifndef PROXY_CUTOVER_FILE_H
#define PROXY_CUTOVER_FILE_H

#include "base/buf.h"
#include "base/err.h"
#include "policy/cutover.h"
#include "proxy/proxy_conf.h"

/* Appends the text of c->cutover_path: nothing if there is none, or no such file. */
int cutover_file_read(const struct proxy_conf *c, struct buf *ret, struct err *err);
/* NULL for an empty text.  Errors are "file:line:column: ...": also of upstreams that c lacks or
 * that do not go together. */
int cutover_file_parse(struct str text, const struct proxy_conf *c, struct cutover **ret,
                       struct err *err);

#endif
