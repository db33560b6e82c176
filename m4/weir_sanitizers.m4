# WEIR_SANITIZERS: --enable-asan, --enable-ubsan, --enable-tsan, --enable-fuzz.
AC_DEFUN([WEIR_SANITIZERS], [
  AC_ARG_ENABLE([asan], [AS_HELP_STRING([--enable-asan], [build with AddressSanitizer])],
    [], [enable_asan=no])
  AC_ARG_ENABLE([ubsan],
    [AS_HELP_STRING([--enable-ubsan], [build with UndefinedBehaviorSanitizer])], [], [enable_ubsan=no])
  AC_ARG_ENABLE([tsan], [AS_HELP_STRING([--enable-tsan], [build with ThreadSanitizer])],
    [], [enable_tsan=no])
  AC_ARG_ENABLE([fuzz],
    [AS_HELP_STRING([--enable-fuzz], [build the fuzz targets for libFuzzer (needs CC=clang)])],
    [], [enable_fuzz=no])
  AS_IF([test "x$enable_asan" = xyes && test "x$enable_tsan" = xyes],
    [AC_MSG_ERROR([--enable-asan and --enable-tsan exclude each other])])
  weir_san=""
  AS_IF([test "x$enable_asan" = xyes], [weir_san="$weir_san,address"])
  AS_IF([test "x$enable_ubsan" = xyes], [weir_san="$weir_san,undefined"])
  AS_IF([test "x$enable_tsan" = xyes], [weir_san="$weir_san,thread"])
  AS_IF([test "x$enable_fuzz" = xyes], [
    weir_saved_cflags="$CFLAGS"
    CFLAGS="$CFLAGS -fsanitize=fuzzer-no-link"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])], [],
      [AC_MSG_ERROR([--enable-fuzz needs libFuzzer: configure with CC=clang])])
    CFLAGS="$weir_saved_cflags"
    weir_san="$weir_san,fuzzer-no-link"
    AC_SUBST([FUZZ_LDFLAGS], [-fsanitize=fuzzer])])
  AM_CONDITIONAL([ENABLE_FUZZ], [test "x$enable_fuzz" = xyes])
  AS_IF([test -n "$weir_san"], [
    WEIR_SAN_FLAGS="-fsanitize=${weir_san#,} -fno-omit-frame-pointer -fno-sanitize-recover=all"
    WEIR_CFLAGS="$WEIR_CFLAGS $WEIR_SAN_FLAGS"
    # gcc 12 takes UBSan's own null checks for null formats.
    WEIR_TRY_CFLAG([-Wno-format-truncation])])
  AC_SUBST([WEIR_SAN_FLAGS])
])
