# What the end-to-end tests share: the environment that commands run in.  Sourced, with $here set.

# Out of tree, make names the folders; by hand, the build is looked for where ./quickstart puts it.
top=$(cd "$here/../.." && pwd)
if [ -n "${abs_top_builddir:-}" ]; then
    build=$abs_top_builddir
elif [ -x "$top/weir" ]; then
    build=$top
else
    build=$top/build
fi
if [ ! -x "$build/weir" ]; then
    echo "there is no $build/weir: build it first" >&2
    exit 1
fi

PATH=$build:$build/tools:$PATH
SAMPLE=$top/share/sample
MAPS=$top/share/maps
TOP=$top
LC_ALL=C
TZ=UTC
TERM=dumb
export PATH SAMPLE MAPS TOP LC_ALL TZ TERM
unset NO_COLOR WEIR_DATADIR

# The recordings that tests may use but that are no part of the project.
if [ -z "${WEIR_SHARED_DATA:-}" ]; then
    for dir in "$top/../shared/data" "$top/../../shared/data"; do
        [ ! -d "$dir" ] || WEIR_SHARED_DATA=$(cd "$dir" && pwd)
    done
fi
DATA=${WEIR_SHARED_DATA:-}
export DATA

make_scratch() {
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/weir-e2e.XXXXXX") || exit 1
    trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT
    trap 'exit 1' INT TERM HUP
    HOME=$scratch
    export HOME
}

# have TOOL: a program in PATH; "data" is the recordings; "terminal" is a pseudo-terminal, which a bare
# chroot lacks; "user" is not being root, who may do everything.
have() {
    case $1 in
    data) [ -n "$DATA" ] ;;
    terminal) script -qec true /dev/null > /dev/null 2>&1 ;;
    user) [ "$(id -u)" != 0 ] ;;
    *) command -v "$1" > /dev/null 2>&1 ;;
    esac
}

# skip NAME REASON: on a developer's machine a line, under CI a failure.
skip() {
    if [ -n "${CI:-}" ] && [ "$2" != "user is missing" ]; then
        echo "not ok - $1: $2, and CI is set"
        failed=$((failed + 1))
    else
        echo "skip - $1: $2"
        skipped=$((skipped + 1))
    fi
}
