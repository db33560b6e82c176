/* load - what commands that make recorded requests again take: which requests, when, and with what.
 */
#ifndef CLI_LOAD_H
#define CLI_LOAD_H

#include "cli/command.h"
#include "cli/span.h"
#include "cli/values.h"
#include "replay/drive.h"
#include "replay/scratch.h"

/* The rows of an option table that load_open reads. */
#define OPTIONS_LOAD                                                                               \
    OPTION(VALUE, .name = "path", .letter = 'p', .value = "TEMPLATE",                              \
           .help = "where a request goes there: {path} as recorded, {rest} without the "           \
                   "application and upstream before it, {app}, {upstream}, {model} ({path})"),     \
        OPTION(LIST, .name = "exchanges", .letter = 'e', .value = "FILE", .is_path = true,         \
               .help = "make the requests of this file (weir-exchanges(5)) as well"),              \
        OPTION(VALUE, .name = "ask", .value = "MODEL",                                             \
               .help = "the model that all requests ask for, such as a group's name"),             \
        OPTION(VALUE, .name = "app", .value = "PATTERN",                                           \
               .help = "only requests of these applications"),                                     \
        OPTIONS_SPAN,                                                                              \
        OPTION(VALUE, .name = "speed", .letter = 's', .value = "N|max",                            \
               .help = "how many times as fast as recorded; max makes a request as soon as it "    \
                       "can (1)"),                                                                 \
        OPTION(VALUE, .name = "caller", .letter = 'c', .value = "SDK", .choices = value_callers,   \
               .help = "how who calls tries again by itself: as that provider's SDKs, or not "     \
                       "(none)"),                                                                  \
        OPTION(VALUE, .name = "deadline", .letter = 'd', .value = "DURATION",                      \
               .help = "how long who calls waits for each try, in all (600s without a byte)"),     \
        OPTION(VALUE, .name = "seed", .value = "N", .help = "of chance (1)"),                      \
        OPTION(VALUE, .name = "max-under-way", .value = "N",                                       \
               .help = "requests at the same time; more wait, and are late (4096)"),               \
        OPTION(VALUE, .name = "lag", .value = "DURATION",                                          \
               .help = "no verdict if 1 in 100 requests is made later than this after its moment " \
                       "(10ms)"),                                                                  \
        OPTION(VALUE, .name = "key-env", .value = "NAME",                                          \
               .help = "the environment's variable with the key that goes with each request"),     \
        OPTION(LIST, .name = "header", .letter = 'H', .value = "HEADER",                           \
               .help = "\"name: value\" that goes with each request, in place of its own")

struct load {
    struct trace *trace;
    struct scratch *scratch;
    struct buf headers, key;
};

/* Fills *ret_options in, but for loop, url and what is told of calls; its texts are the load's and
 * the invocation's.  archives: NULL-terminated. */
int load_open(const struct invocation *inv, const char *const *archives, struct load *ret,
              struct drive_options *ret_options, struct err *err);
/* Wipes the key. */
void load_release(struct load *l);
DEFINE_CLEANUP_VALUE(struct load, load_release)

#endif
