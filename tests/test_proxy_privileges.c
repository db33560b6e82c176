/* Whom the built weir becomes if started as root (skipped by anyone else), and whom it lets in. */
#include "config.h"

#include "proxy/privileges.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "tests/check_main.h"
#include "tests/proxy_run.h"
#include "tests/tls_files.h"

#define USER "nobody"

static struct proxy_run run;

static bool has_line(pid_t pid, const char *file, const char *want)
{
    char path[64], line[300];
    bool found = false;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (!found && fgets(line, sizeof(line), f))
        found = strncmp(line, want, strlen(want)) == 0;
    fclose(f);
    return found;
}

static bool is_logged(const char *part)
{
    struct buf log = { 0 };
    struct err err;

    ck_assert_int_eq(file_read(run.log_path, 1u << 20, &log, &err), 0);
    bool found = strstr(buf_cstr(&log), part) != NULL;
    buf_release(&log);
    return found;
}

START_TEST(weir_started_as_root_is_the_user_in_all_its_processes)
{
    const struct passwd *pw = getpwnam(USER);
    char want[100];

    if (geteuid() != 0 || !pw) {
        fprintf(stderr, "skipped: takes root and a user " USER "\n");
        return;
    }
    proxy_prepare(&run, "");
    ck_assert_int_eq(chown(temp_folder, pw->pw_uid, pw->pw_gid), 0);
    proxy_configure(&run, "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 1, "
                          "user: " USER ", status: s.sock}\n"
                          "archive: {path: ./archive}\n");
    ck_assert_int_eq(chown(run.conf_path, pw->pw_uid, pw->pw_gid), 0);
    proxy_launch(&run);
    pid_t child = proxy_worker_pid(&run, 0);
    snprintf(want, sizeof(want), "Uid:\t%u\t%u\t%u\t%u", pw->pw_uid, pw->pw_uid, pw->pw_uid,
             pw->pw_uid);
    ck_assert(has_line(run.pid, "status", want) && has_line(child, "status", want));
    snprintf(want, sizeof(want), "Gid:\t%u\t%u\t%u\t%u", pw->pw_gid, pw->pw_gid, pw->pw_gid,
             pw->pw_gid);
    ck_assert(has_line(run.pid, "status", want) && has_line(child, "status", want));
    ck_assert(has_line(child, "status", "CapEff:\t0000000000000000"));
    ck_assert(has_line(child, "limits", "Max core file size        0                    0"));

    struct buf answer = { 0 };
    proxy_ask(&run, "GET /up/body/3 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n", &answer);
    ck_assert(strstr(answer.ptr, "\r\n\r\nabc") != NULL);
    buf_release(&answer);
    kill(run.pid, SIGHUP); /* what it may read, it may read again */
    for (int i = 0; i < 3000 && !is_logged("event=reloaded"); i++)
        proxy_sleep_ms(10);
    ck_assert(is_logged("event=reloaded"));
    proxy_stop(&run);
}
END_TEST

START_TEST(an_unknown_user_or_group_is_said)
{
    struct err err;

    ck_assert_int_eq(privileges_drop("no-such-user", NULL, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "no-such-user"));
    ck_assert_int_eq(privileges_drop("root", "no-such-group", &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "no-such-group"));
    ck_assert_int_eq(privileges_share_socket("/nowhere", "no-such-group", &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "no-such-group"));
    if (geteuid() != 0) {
        ck_assert_int_eq(privileges_drop("root", NULL, &err), -1);
        ck_assert_ptr_nonnull(strstr(err.text, "start as root"));
    }
}
END_TEST

/* In clear text, whether the port has TLS or not. */
START_TEST(applications_can_connect_to_a_unix_socket)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    const void *any = &at;
    struct buf answer = { 0 };

    proxy_prepare(&run, "listen: {address: \"127.0.0.1:0\", unix: ./weir.sock}\n"
                        "archive: {path: ./archive}\n");
    if (_i) {
        tls_files_make(temp_path("cert.pem"), temp_path("key.pem"), "localhost", "IP:127.0.0.1");
        proxy_configure(&run, "listen: {address: \"127.0.0.1:0\", unix: ./weir.sock,\n"
                              "         tls: {cert: ./cert.pem, key: ./key.pem}}\n"
                              "archive: {path: ./archive}\n");
    }
    proxy_launch(&run);
    ck_assert_uint_lt(strlen(temp_path("weir.sock")), sizeof(at.sun_path));
    memcpy(at.sun_path, temp_path("weir.sock"), strlen(temp_path("weir.sock")));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, any, sizeof(at)), 0);
    upstream_text(fd, "GET /up/body/3 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n");
    ck_assert(proxy_read_all(fd, 10000, &answer));
    close(fd);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&answer), "\r\n\r\nabc"));
    buf_release(&answer);
    proxy_stop(&run);
}
END_TEST

START_TEST(a_group_may_be_let_in_at_the_unix_socket)
{
    const struct group *own = getgrgid(getegid());
    struct stat st;

    if (!own)
        return; /* a container whose groups have no names */
    proxy_prepare(&run, "archive: {path: ./archive}\n");
    proxy_configure(&run, "listen: {address: \"127.0.0.1:0\", unix: ./weir.sock,\n"
                          "         status: ./status.sock}\n"
                          "archive: {path: ./archive}\n");
    proxy_launch(&run);
    ck_assert_int_eq(stat(temp_path("weir.sock"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    proxy_end(&run, SIGTERM);

    char settings[300];
    snprintf(settings, sizeof(settings),
             "listen: {address: \"127.0.0.1:0\", unix: ./weir.sock, unix_group: %s,\n"
             "         status: ./status.sock}\n"
             "archive: {path: ./archive}\n",
             own->gr_name);
    proxy_configure(&run, settings);
    proxy_launch(&run);
    ck_assert_int_eq(stat(temp_path("weir.sock"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0660);
    ck_assert_uint_eq(st.st_gid, getegid());
    ck_assert_int_eq(stat(temp_path("status.sock"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    proxy_stop(&run);
}
END_TEST

/* Whoever can write to the folder can put something else there after it was made. */
START_TEST(nothing_but_a_socket_of_ours_is_given_to_a_group)
{
    const struct group *own = getgrgid(getegid());
    static const char *const names[] = { "target", "link", "absent" };
    struct stat st;
    struct err err;

    if (!own)
        return; /* a container whose groups have no names */
    temp_folder_make();
    const char *target = temp_path("target");
    int fd = open(target, O_CREAT | O_WRONLY, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(symlink(target, temp_path("link")), 0);
    ck_assert_int_eq(privileges_share_socket(temp_path(names[_i]), own->gr_name, &err), -1);
    ck_assert_int_eq(stat(target, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    temp_folder_remove();
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, weir_started_as_root_is_the_user_in_all_its_processes);
    tcase_add_test(tc, an_unknown_user_or_group_is_said);
    tcase_add_loop_test(tc, applications_can_connect_to_a_unix_socket, 0, 2);
    tcase_add_test(tc, a_group_may_be_let_in_at_the_unix_socket);
    tcase_add_loop_test(tc, nothing_but_a_socket_of_ours_is_given_to_a_group, 0, 3);
}

CHECK_MAIN("proxy/privileges", add_tests)
