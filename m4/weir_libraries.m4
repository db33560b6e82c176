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
  WEIR_LIBRARY([ZSTD], [libzstd], [1.4.8], [libzstd-dev], [libzstd-devel], [zstd-dev])
  WEIR_LIBRARY([ZLIB], [zlib], [1.2.11], [zlib1g-dev], [zlib-devel], [zlib-dev])
  WEIR_LIBRARY([BROTLI], [libbrotlidec], [1.0], [libbrotli-dev], [brotli-devel], [brotli-dev])
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

# WEIR_MISSING(WHAT, DEBIAN, FEDORA, ALPINE)
AC_DEFUN([WEIR_MISSING], [weir_missing="$weir_missing
  $1   (Debian: $2, Fedora: $3, Alpine: $4)"])
