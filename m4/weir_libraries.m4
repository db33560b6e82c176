# WEIR_LIBRARIES: what we link; all that is missing is named at once, each with its packages.
AC_DEFUN([WEIR_LIBRARIES], [
  weir_missing=""
  weir_built_with=""
  PKG_PROG_PKG_CONFIG([0.29])
  AS_IF([test -z "$PKG_CONFIG"], [WEIR_MISSING([pkg-config >= 0.29], [pkg-config],
    [pkgconf-pkg-config], [pkgconf])])
  WEIR_LIBRARY([ARCHIVE], [libarchive], [3.6], [libarchive-dev], [libarchive-devel], [libarchive-dev])
  WEIR_LIBRARY([JANSSON], [jansson], [2.13], [libjansson-dev], [jansson-devel], [jansson-dev])
  WEIR_LIBRARY([PCRE2], [libpcre2-8], [10.32], [libpcre2-dev], [pcre2-devel], [pcre2-dev])
  WEIR_LIBRARY([YAML], [yaml-0.1], [0.2], [libyaml-dev], [libyaml-devel], [yaml-dev])
  WEIR_LIBRARY([CRYPTO], [libcrypto], [3.0], [libssl-dev], [openssl-devel], [openssl-dev])
  WEIR_LIBRARY([SSL], [libssl], [3.0], [libssl-dev], [openssl-devel], [openssl-dev])
  dnl 7.87 keeps a CA bundle that was read once; before, each TLS connection parses it again.
  WEIR_LIBRARY([CURL], [libcurl], [7.87], [libcurl4-openssl-dev], [libcurl-devel], [curl-dev])
  WEIR_LIBRARY([NGHTTP2], [libnghttp2], [1.43], [libnghttp2-dev], [libnghttp2-devel], [nghttp2-dev])
  WEIR_LLHTTP
  WEIR_LIBRARY([ZSTD], [libzstd], [1.4.8], [libzstd-dev], [libzstd-devel], [zstd-dev])
  WEIR_LIBRARY([ZLIB], [zlib], [1.2.11], [zlib1g-dev], [zlib-devel], [zlib-dev])
  WEIR_LIBRARY([BROTLI], [libbrotlidec], [1.0], [libbrotli-dev], [brotli-devel], [brotli-dev])
  dnl Optional: without it the sandbox of sealing has no filter of system calls, and says so.
  PKG_CHECK_MODULES([SECCOMP], [libseccomp >= 2.5],
    [AC_DEFINE([HAVE_SECCOMP], [1], [Define to 1 for the filter of system calls in base/sandbox.])
    weir_built_with="$weir_built_with libseccomp `$PKG_CONFIG --modversion libseccomp`"],
    [AC_MSG_WARN([libseccomp is missing, so sealing cannot be kept from system calls it does not need
      (Debian: libseccomp-dev, Fedora: libseccomp-devel, Alpine: libseccomp-dev)])])
  AC_CHECK_HEADERS([linux/landlock.h])
  AS_IF([test -n "$weir_missing"], [AC_MSG_ERROR([missing libraries:
$weir_missing
Install the packages named and run configure again.])])
  AC_DEFINE_UNQUOTED([WEIR_BUILT_WITH], ["built with:$weir_built_with\n"],
    [Libraries and their versions, for --version.])

  PKG_CHECK_MODULES([CHECK], [check >= 0.15], [weir_have_check=yes], [weir_have_check=no])
  AM_CONDITIONAL([HAVE_CHECK], [test "x$weir_have_check" = xyes])
  AS_IF([test "x$weir_have_check" = xno],
    [AC_MSG_WARN([check is missing, so make check runs no unit tests
      (Debian: check, Fedora: check-devel, Alpine: check-dev)])])
])

# WEIR_LIBRARY(PREFIX, MODULE, VERSION, DEBIAN, FEDORA, ALPINE)
AC_DEFUN([WEIR_LIBRARY], [
  PKG_CHECK_MODULES([$1], [$2 >= $3],
    [weir_built_with="$weir_built_with $2 `$PKG_CONFIG --modversion $2`"],
    [WEIR_MISSING([$2 >= $3], [$4], [$5], [$6])])
])

# WEIR_LLHTTP: the library if there is one, else the C sources that Debian's node-llhttp installs.
AC_DEFUN([WEIR_LLHTTP], [
  AC_ARG_VAR([LLHTTP_DIR], [llhttp's C sources, where it is no library (/usr/share/llhttp)])
  AS_VAR_SET_IF([LLHTTP_DIR], [], [LLHTTP_DIR=/usr/share/llhttp])
  weir_llhttp_sources=no
  PKG_CHECK_MODULES([LLHTTP], [libllhttp >= 8.1],
    [weir_built_with="$weir_built_with libllhttp `$PKG_CONFIG --modversion libllhttp`"], [
    AC_MSG_CHECKING([for llhttp's sources in $LLHTTP_DIR])
    for weir_dir in "$LLHTTP_DIR/../include/llhttp" "$LLHTTP_DIR/../include" "$LLHTTP_DIR"; do
      AS_IF([test $weir_llhttp_sources = no && test -r "$weir_dir/llhttp.h" &&
          test -r "$LLHTTP_DIR/llhttp.c" && test -r "$LLHTTP_DIR/api.c" &&
          test -r "$LLHTTP_DIR/http.c"], [
        weir_llhttp_sources=yes
        LLHTTP_CFLAGS="-I$weir_dir"
        LLHTTP_LIBS=""
        weir_version=`$SED -n 's/^#define LLHTTP_VERSION_M.* //p' "$weir_dir/llhttp.h" | tr '\n' '.'`
        weir_built_with="$weir_built_with llhttp ${weir_version%.}"
      ])
    done
    AC_MSG_RESULT([$weir_llhttp_sources])
    AS_IF([test $weir_llhttp_sources = no], [WEIR_MISSING([libllhttp >= 8.1],
      [node-llhttp, or libllhttp-dev], [llhttp-devel], [llhttp-dev])])
  ])
  AM_CONDITIONAL([BUILD_LLHTTP], [test $weir_llhttp_sources = yes])
])

# WEIR_MISSING(WHAT, DEBIAN, FEDORA, ALPINE)
AC_DEFUN([WEIR_MISSING], [weir_missing="$weir_missing
  $1   (Debian: $2, Fedora: $3, Alpine: $4)"])
