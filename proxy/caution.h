/* caution - what of a configuration works, but should not be left so: secrets that others on the
 * machine or on the way can read, and more rights than needed. */
#ifndef PROXY_CAUTION_H
#define PROXY_CAUTION_H

#include "proxy/proxy_conf.h"

/* A sentence with its place, "weir.yaml:3:7: ..." where there is one, and how to mend it. */
typedef void (*caution_fn)(void *ctx, const char *text);

/* path is the configuration's own; looks at the modes of it, of the files it points to and of the
 * archive.  Those that are not there are passed over. */
void cautions_find(const struct proxy_conf *c, const char *path, caution_fn fn, void *ctx);

#endif
