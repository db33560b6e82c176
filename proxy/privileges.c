#include "config.h"

#include "proxy/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static int find_group(const char *group, gid_t *ret, struct err *err)
{
    const struct group *gr = getgrnam(group);

    if (!gr)
        return err_set(err, ERR_USAGE, "there is no group '%s' here", group);
    *ret = gr->gr_gid;
    return 0;
}

static int find_ids(const char *user, const char *group, struct passwd *ret, struct err *err)
{
    errno = 0;
    const struct passwd *pw = getpwnam(user);
    if (!pw)
        return err_set(err, ERR_USAGE, "there is no user '%s' here", user);
    *ret = *pw;
    return group ? find_group(group, &ret->pw_gid, err) : 0;
}

int privileges_drop(const char *user, const char *group, struct err *err)
{
    struct passwd to = { 0 };

    if (find_ids(user, group, &to, err) < 0)
        return -1;
    if (geteuid() == to.pw_uid && getuid() == to.pw_uid && getegid() == to.pw_gid)
        return 0;
    if (geteuid() != 0)
        return err_set(err, ERR_USAGE, "to become '%s', start as root or as that user", user);
    if (initgroups(user, to.pw_gid) < 0 || setresgid(to.pw_gid, to.pw_gid, to.pw_gid) < 0 ||
        setresuid(to.pw_uid, to.pw_uid, to.pw_uid) < 0)
        return err_sys(err, "cannot become user '%s'", user);
    if (to.pw_uid != 0 && setuid(0) == 0) /* must not be possible any more */
        return err_set(err, ERR_SYS, "still root after becoming user '%s'", user);
    return 0;
}

/* The socket at path, if it is one and ours.  What else may have been put in its place by somebody
 * who can write to the folder is not for us to give away. */
static int open_own_socket(const char *path, int *ret_fd, struct err *err)
{
    struct stat st;
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return err_sys(err, "cannot open '%s'", path);
    if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_uid == geteuid()) {
        *ret_fd = fd;
        return 0;
    }
    close(fd);
    return err_set(err, ERR_USAGE, "'%s' is not the socket that was made there", path);
}

/* Who may write may connect. */
static int give_to_group(int fd, gid_t gid)
{
    char name[32]; /* what O_PATH opened has no other that can be changed */

    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    return fchownat(fd, "", (uid_t)-1, gid, AT_EMPTY_PATH) == 0 ? chmod(name, 0660) : -1;
}

int privileges_share_socket(const char *path, const char *group, struct err *err)
{
    gid_t gid = (gid_t)-1;
    int fd = -1;

    if (find_group(group, &gid, err) < 0 || open_own_socket(path, &fd, err) < 0)
        return -1;
    int r = give_to_group(fd, gid);
    int why = errno;
    close(fd);
    errno = why;
    if (r == 0)
        return 0;
    if (errno == EPERM)
        return err_set(err, ERR_USAGE, "weir's user is no member of group '%s'", group);
    return err_sys(err, "cannot give '%s' to group '%s'", path, group);
}

void privileges_forbid_cores(void)
{
    struct rlimit none = { 0, 0 };
    int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

    setrlimit(RLIMIT_CORE, &none);
    if (fd >= 0) { /* should there be a core all the same, such as gcore's: without our memory */
        (void)!write(fd, "0", 1);
        close(fd);
    }
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
