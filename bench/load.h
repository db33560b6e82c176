/* load - many connections that ask and measure, on one thread.
 *
 * Closed: each connection asks again as soon as it has its answer.  Open: requests are due at a
 * fixed rate, whatever the answers do, and their time counts from when they were due: a server that
 * stalls does not hide it by being asked less.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/histogram.h"

struct origin;

struct load_options {
    int port;
    const char *target;    /* of the request line */
    const char *headers;   /* more of them, each with CRLF; NULL = none */
    unsigned connections;  /* at most */
    double rate;           /* requests a second; 0 = closed */
    uint64_t max_requests; /* 0 = as many as there is time for */
    struct origin *origin; /* served by load_run as well; NULL = somebody else serves */
};

struct load {
    /* To be read and cleared between runs: */
    struct histogram whole; /* from due to the end of the answer */
    struct histogram first; /* ... to the first stamp */
    struct histogram chunk; /* from stamp to arrival */
    uint64_t completed, chunks, errors, begun;
    struct load_rest *rest;
};

/* Connects; NULL with a message on stderr. */
struct load *load_new(const struct load_options *options);
/* Goes on for that long. */
void load_run(struct load *l, double seconds);
void load_clear(struct load *l);
/* Closes everything, answered or not. */
void load_free(struct load *l);

#endif
