/* faultfs - what a test and the faultfs.so that it preloads share: a file of this struct, named by
 * FAULTFS_CONTROL and mapped by both.  All members can change at any time; 0 does nothing. */
#ifndef TESTS_PRELOAD_FAULTFS_H
#define TESTS_PRELOAD_FAULTFS_H

#include <stdatomic.h>

struct faultfs_control {
    /* Of files below a folder "journal": */
    atomic_int write_errno;   /* for writes, and for opening with O_CREAT */
    atomic_int sync_errno;    /* for fsync and fdatasync */
    atomic_int sync_delay_ms; /* before a sync does anything; ends with being set to 0 */
    atomic_long faults;       /* how many calls were made to fail */
    /* Of what only sealing does: changes below "segments" and "ledger", to "chain", and unlinking
     * below "journal": */
    atomic_long seal_steps; /* so many calls so far */
    atomic_long kill_at;    /* SIGKILL before that one; set to 0 by it */
};

#endif
