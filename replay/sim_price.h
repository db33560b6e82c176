/* sim_price - what calls of one kind cost at one target: by the price book, from tokens, quickly.
 *
 * Where the book's rates are exact for what a call used, its cost is a sum of products; else the
 * book is asked.
 */
#ifndef REPLAY_SIM_PRICE_H
#define REPLAY_SIM_PRICE_H

#include "replay/sim_arrival.h"

struct sim_price {
    struct price_query query;
    struct price_rates rates; /* status of the last look; zeroed = none yet */
    bool has_rates;
};

/* False: the book has no price for it, or its tokens are not known; *ret_pusd is then 0. */
bool sim_price_of(struct sim_price *p, struct price_cache *book, const struct sim_arrival *a,
                  i128 *ret_pusd);

#endif
