#include "config.h"

#include "base/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"

#define BACKLOG 4096

static int listen_at(const struct addrinfo *at, bool shared, int *ret_fd, struct err *err)
{
    int one = 1;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return err_sys(err, "cannot make a socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if ((shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0) ||
        bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        err_sys(err, "cannot listen");
        close(fd);
        return -1;
    }
    *ret_fd = fd;
    return 0;
}

int listener_open(struct str host, uint16_t port, bool shared, int *ret_fd, struct err *err)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    CLEANUP(buf_release) struct buf name = { 0 };
    char service[8];

    buf_add_str(&name, host);
    snprintf(service, sizeof(service), "%u", port);
    bool any = str_eq(host, STR("*"));
    int r = getaddrinfo(any ? NULL : buf_cstr(&name), service, &hints, &found);
    if (r != 0)
        return err_set(err, ERR_USAGE, "cannot listen on '%.*s': %s", STR_ARG(host),
                       gai_strerror(r));
    r = listen_at(found, shared, ret_fd, err);
    freeaddrinfo(found);
    return r < 0 ? err_wrap(err, "'%.*s:%u'", STR_ARG(host), port) : 0;
}

void listener_address(int fd, char ret[static LISTENER_ADDRESS_BYTES], uint16_t *ret_port)
{
    struct sockaddr_storage at = { 0 };
    socklen_t len = sizeof(at);
    void *any = &at;
    const struct sockaddr_in *v4 = any;
    const struct sockaddr_in6 *v6 = any;
    char text[INET6_ADDRSTRLEN] = "?";
    uint16_t port = 0;

    if (getsockname(fd, any, &len) == 0 && at.ss_family == AF_INET) {
        inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
        port = ntohs(v4->sin_port);
    } else if (at.ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
        port = ntohs(v6->sin6_port);
    }
    snprintf(ret, LISTENER_ADDRESS_BYTES, at.ss_family == AF_INET6 ? "[%s]:%u" : "%s:%u", text,
             port);
    if (ret_port)
        *ret_port = port;
}

static int make_unix(const char *path, int type, struct sockaddr_un *ret, int *ret_fd,
                     struct err *err)
{
    *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof(ret->sun_path))
        return err_set(err, ERR_USAGE, "'%s': the path of a socket has %zu characters at most",
                       path, sizeof(ret->sun_path) - 1);
    memcpy(ret->sun_path, path, strlen(path) + 1);
    *ret_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | type, 0);
    return *ret_fd < 0 ? err_sys(err, "cannot make a socket") : 0;
}

int listener_connect_unix(const char *path, int *ret_fd, struct err *err)
{
    struct sockaddr_un at;
    const void *any = &at;
    int fd;

    if (make_unix(path, 0, &at, &fd, err) < 0)
        return -1;
    if (connect(fd, any, sizeof(at)) < 0) {
        err_sys(err, "cannot connect to '%s'", path);
        close(fd);
        return -1;
    }
    *ret_fd = fd;
    return 0;
}

/* Removes a socket whose process is gone. */
static int clear_stale(const char *path, struct err *err)
{
    struct stat st;
    struct err why;
    int fd;

    if (lstat(path, &st) < 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, ERR_USAGE, "'%s' exists and is no socket", path);
    if (listener_connect_unix(path, &fd, &why) == 0) {
        close(fd);
        return err_set(err, ERR_USAGE, "'%s': another process listens there", path);
    }
    if (why.sys != ECONNREFUSED)
        return err_set(err, ERR_SYS, "%s", why.text);
    return unlink(path) < 0 ? err_sys(err, "cannot remove '%s'", path) : 0;
}

int listener_open_unix(const char *path, int *ret_fd, struct err *err)
{
    struct sockaddr_un at;
    const void *any = &at;
    int fd;

    if (clear_stale(path, err) < 0 || make_unix(path, SOCK_NONBLOCK, &at, &fd, err) < 0)
        return -1;
    mode_t old = umask(0177);
    int r = bind(fd, any, sizeof(at));
    umask(old);
    if (r < 0 || listen(fd, BACKLOG) < 0) {
        err_sys(err, "cannot listen on '%s'", path);
        close(fd);
        return -1;
    }
    *ret_fd = fd;
    return 0;
}
