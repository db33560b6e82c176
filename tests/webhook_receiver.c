/* webhook_receiver PORTFILE OUT STATUS... - answers one POST for each status, in turn, and ends.
 *
 * Listens on a free port of the loopback, which it writes to PORTFILE once it does.  Each request
 * is appended to OUT as it came, head and body, then a line "----".  The status 0 closes the
 * connection without an answer.
 */
#include "config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"

#define REQUEST_BYTES (4u << 20)

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int open_port(const char *port_file)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char text[16];
    struct err err;

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 8) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        die("listen");
    snprintf(text, sizeof(text), "%u\n", ntohs(address.sin_port));
    if (file_replace(port_file, str_from(text), 0600, &err) < 0)
        die(err.text);
    return fd;
}

/* The length of the whole request, 0 as long as its head is not there. */
static size_t length_of(const char *request)
{
    const char *end = strstr(request, "\r\n\r\n"), *length = strcasestr(request, "content-length:");

    if (!end)
        return 0;
    size_t body = length && length < end ? strtoul(length + 15, NULL, 10) : 0;
    return (size_t)(end - request) + 4 + body;
}

static size_t read_request(int fd, char *ret)
{
    size_t len = 0;

    for (;;) {
        ssize_t n = read(fd, ret + len, REQUEST_BYTES - 1 - len);
        if (n <= 0)
            return len;
        len += (size_t)n;
        ret[len] = 0;
        size_t whole = length_of(ret);
        if (whole && len >= whole)
            return len;
    }
}

int main(int argc, char **argv)
{
    static char request[REQUEST_BYTES];

    if (argc < 4) {
        fprintf(stderr, "usage: webhook_receiver PORTFILE OUT STATUS...\n");
        return 2;
    }
    alarm(60); /* nobody comes */
    int listener = open_port(argv[1]);
    for (int i = 3; i < argc; i++) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            die("accept");
        size_t len = read_request(fd, request);
        FILE *out = fopen(argv[2], "a");
        if (!out || fwrite(request, 1, len, out) != len || fputs("\n----\n", out) < 0 ||
            fclose(out) != 0)
            die(argv[2]);
        if (strcmp(argv[i], "0") != 0)
            dprintf(fd, "HTTP/1.1 %s X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", argv[i]);
        close(fd);
    }
    close(listener);
    return 0;
}
