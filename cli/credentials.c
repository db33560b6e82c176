#include "config.h"

#include "cli/credentials.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"

static const char *from_environment(const char *name)
{
    const char *value = name ? getenv(name) : NULL;

    return value && *value ? value : NULL;
}

/* The next field of the line, ended where the file has ':'; NULL if there is none. */
static const char *next_field(char **at, bool is_last)
{
    char *field = *at;

    if (!field)
        return NULL;
    char *colon = is_last ? NULL : strchr(field, ':');
    if (colon)
        *colon = '\0';
    *at = colon ? colon + 1 : NULL;
    return field;
}

static int read_file(const char *path, bool has_token, struct credentials *ret, struct err *err)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return err_sys(err, "cannot look at '%s'", path);
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return err_set(err, ERR_USAGE, "'%s' can be read by others: chmod 600 it", path);
    if (file_read(path, CREDENTIALS_BYTES_MAX, &ret->text, err) < 0)
        return -1;
    buf_cstr(&ret->text);
    char *at = ret->text.ptr;
    at[strcspn(at, "\r\n")] = '\0';
    ret->user = next_field(&at, false);
    ret->secret = next_field(&at, !has_token);
    ret->token = next_field(&at, true);
    if (!*ret->user || !ret->secret)
        return err_set(err, ERR_USAGE, "'%s': expected USER:SECRET on its first line", path);
    return 0;
}

int credentials_read(const char *path, const char *const names[static 3], struct credentials *ret,
                     struct err *err)
{
    *ret = (struct credentials){ 0 };
    if (path)
        return read_file(path, names[2] != NULL, ret, err);
    ret->user = from_environment(names[0]);
    ret->secret = from_environment(names[1]);
    ret->token = from_environment(names[2]);
    return 0;
}

void credentials_release(struct credentials *c)
{
    if (c->text.ptr)
        explicit_bzero(c->text.ptr, c->text.cap);
    buf_release(&c->text);
}

int credentials_clickhouse(const struct invocation *inv, struct str url, struct clickhouse **ret,
                           struct err *err)
{
    static const char *const names[3] = { "CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD", NULL };
    CLEANUP(credentials_release) struct credentials c = { 0 };

    if (credentials_read(invocation_get(inv, "credentials"), names, &c, err) < 0)
        return -1;
    const struct clickhouse_options o = { .url = url,
                                          .user = c.user || !c.secret ? c.user : "default",
                                          .password = c.secret,
                                          .ca_path = invocation_get(inv, "ca") };
    return clickhouse_open(&o, ret, err);
}
