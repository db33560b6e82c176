/* make_ledger FOLDER ROWS - writes the ledgers of bench/ledger_mix into FOLDER. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/ledger_mix.h"

int main(int argc, char **argv)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    struct err err = { 0 };

    if (argc != 3) {
        fprintf(stderr, "usage: make_ledger FOLDER ROWS\n");
        return 2;
    }
    if (ledger_mix_write(argv[1], strtoull(argv[2], NULL, 10), cpus > 0 ? (unsigned)cpus : 1,
                         &err) < 0) {
        fprintf(stderr, "make_ledger: %s\n", err.text);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
