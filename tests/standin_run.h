/* standin_run - a server of recorded answers in a child of the test, with two upstreams and its
 * control, each at a port of its own. */
#ifndef TESTS_STANDIN_RUN_H
#define TESTS_STANDIN_RUN_H

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/listener.h"
#include "replay/server.h"

enum { PORT_A, PORT_B, PORT_CONTROL, PORTS };

struct stand_in {
    pid_t pid;
    int ports[PORTS];
};

/* In the child: adds what is the test's own. */
typedef void (*standin_fn)(struct server_options *o, const void *ctx);

static inline _Noreturn void standin_serve(const int *listeners, standin_fn fill, const void *ctx)
{
    struct server_options o = { .library = library_new(),
                                .listener = -1,
                                .speed = PLAY_SPEED_MAX,
                                .unmatched = SERVER_UNMATCHED_SYNTH };
    struct server *s;
    struct err err;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    fill(&o, ctx);
    if (loop_open(&o.loop, &err) < 0 || server_open(&o, &s, &err) < 0 ||
        server_add_port(s, listeners[PORT_A], "a", &err) < 0 ||
        server_add_port(s, listeners[PORT_B], "b", &err) < 0 ||
        server_add_port(s, listeners[PORT_CONTROL], NULL, &err) < 0 || loop_run(o.loop, &err) < 0)
        abort();
    _exit(0);
}

static inline void standin_start(struct stand_in *it, standin_fn fill, const void *ctx)
{
    char address[LISTENER_ADDRESS_BYTES];
    int listeners[PORTS];
    struct err err;

    for (int i = 0; i < PORTS; i++) {
        uint16_t port;
        ck_assert_int_eq(listener_open(STR("127.0.0.1"), 0, false, &listeners[i], &err), 0);
        listener_address(listeners[i], address, &port);
        it->ports[i] = port;
    }
    it->pid = fork();
    if (it->pid == 0)
        standin_serve(listeners, fill, ctx);
    for (int i = 0; i < PORTS; i++)
        close(listeners[i]);
}

static inline void standin_stop(struct stand_in *it)
{
    if (it->pid <= 0)
        return;
    kill(it->pid, SIGKILL);
    waitpid(it->pid, NULL, 0);
    it->pid = 0;
}

#endif
