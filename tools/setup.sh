# What ./quickstart and ./check share: installing what is missing, and building.  Sourced, with $top
# set to the source tree.

# What it takes to build weir on Debian 12; configure knows the names elsewhere.
build_packages="gcc libc6-dev make autoconf automake pkg-config tzdata xz-utils
    libarchive-dev libjansson-dev libpcre2-dev libyaml-dev libssl-dev libzstd-dev zlib1g-dev
    libbrotli-dev libcurl4-openssl-dev libnghttp2-dev libseccomp-dev node-llhttp"

say() {
    printf '%s\n' "$*"
}

is_installed() {
    dpkg-query -W -f '${db:Status-Status}' "$1" 2> /dev/null | grep -qx installed
}

# install_missing PACKAGE... - through apt, and only what is not there.  Elsewhere than on Debian and
# its relatives it does nothing: configure will name what is missing.
install_missing() {
    command -v apt-get > /dev/null 2>&1 || return 0
    missing=
    for package in "$@"; do
        is_installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    say "Installing through apt:$missing"
    as_root=
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo > /dev/null 2>&1; then
            say "This needs root, and there is no sudo. As root, run: apt-get install$missing"
            return 1
        fi
        as_root=sudo
    fi
    # Package lists of a fresh image are empty, and those of an old one name files that are gone.
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update &&
        $as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get -q install -y --no-install-recommends $missing
}

cpus() {
    getconf _NPROCESSORS_ONLN 2> /dev/null || echo 2
}

# Makes ./configure where there is none, or an older one than what it is made from.
make_configure() {
    if [ -e "$top/configure" ] && [ -e "$top/Makefile.in" ] &&
        [ -z "$(find "$top" -path "$top/build" -prune -o \
            \( -name '*.am' -o -name '*.m4' -o -name configure.ac \) ! -name aclocal.m4 \
            -newer "$top/Makefile.in" -print)" ]; then
        return 0
    fi
    (cd "$top" && autoreconf -fi)
}

# build_in FOLDER CONFIGURE-ARGUMENT... - configures FOLDER once, and makes everything.
build_in() {
    folder=$1
    shift
    make_configure && mkdir -p "$folder" || return 1
    if [ ! -e "$folder/Makefile" ]; then
        (cd "$folder" && "$top/configure" "$@") || return 1
    fi
    make -C "$folder" -j"$(cpus)"
}
