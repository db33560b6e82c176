/* datadir - where the data that comes with weir lies: prices/, maps/, sample/. */
#ifndef CLI_DATADIR_H
#define CLI_DATADIR_H

#include "base/err.h"

/* DATADIR/name, to be freed.  DATADIR is $WEIR_DATADIR if set; else share/ beside the executable (a
 * build tree: configure links it there) or ../share/weir from it (an installation that was moved);
 * else where `make install` put it.  A name that is in none of them is an error that says where was
 * looked. */
int datadir_path(const char *name, char **ret, struct err *err);

#endif
