#include "config.h"

#include "cli/datadir.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

/* The executable's folder, or an empty string. */
static void executable_dir(char ret[static PATH_MAX])
{
    ssize_t len = readlink("/proc/self/exe", ret, PATH_MAX - 1);

    ret[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(ret, '/');
    if (slash)
        *slash = '\0';
}

/* Takes base/name if it is there. */
static bool try_folder(const char *base, const char *below, const char *name, char **ret)
{
    CLEANUP(buf_release) struct buf path = { 0 };

    buf_addf(&path, "%s%s/%s", base, below, name);
    if (!file_exists(buf_cstr(&path)))
        return false;
    *ret = mem_strdup(buf_cstr(&path));
    return true;
}

int datadir_path(const char *name, char **ret, struct err *err)
{
    const char *chosen = getenv("WEIR_DATADIR");
    char beside[PATH_MAX];

    if (chosen && *chosen) {
        if (try_folder(chosen, "", name, ret))
            return 0;
        return err_set(err, ERR_USAGE, "there is no '%s' in '%s', which WEIR_DATADIR names", name,
                       chosen);
    }
    executable_dir(beside);
    if (try_folder(beside, "/share", name, ret) ||
        try_folder(beside, "/../share/weir", name, ret) || try_folder(WEIR_DATADIR, "", name, ret))
        return 0;
    return err_set(err, ERR_USAGE,
                   "there is no '%s' in '%s/share' nor in '%s': set WEIR_DATADIR to the folder of "
                   "weir's data",
                   name, beside, WEIR_DATADIR);
}
