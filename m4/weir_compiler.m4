# WEIR_COMPILER: gnu17, the warnings we keep clean, --enable-werror.
#
# For x86 gcc clears and copies structs of some hundred bytes by "rep stos" and "rep movs", which take
# 30 cycles to begin: the strategies are stores up to 64 bytes, and the C library's functions beyond.
AC_DEFUN([WEIR_COMPILER], [
  AC_ARG_ENABLE([werror],
    [AS_HELP_STRING([--enable-werror], [treat warnings as errors (for development and CI)])],
    [], [enable_werror=no])
  WEIR_CFLAGS="-std=gnu17"
  for flag in -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
      -Wold-style-definition -Wpointer-arith -Wwrite-strings -Wcast-qual -Wformat=2 -Wundef -Wvla \
      -Wconversion -Wsign-conversion -Wnull-dereference -Wimplicit-fallthrough -Wdouble-promotion \
      -fno-strict-aliasing -fstack-protector-strong \
      -mmemset-strategy=unrolled_loop:64:noalign,libcall:-1:noalign \
      -mmemcpy-strategy=unrolled_loop:64:noalign,libcall:-1:noalign; do
    WEIR_TRY_CFLAG([$flag])
  done
  AS_IF([test "x$enable_werror" = xyes], [WEIR_CFLAGS="$WEIR_CFLAGS -Werror"])
  AC_SUBST([WEIR_CFLAGS])
])

# WEIR_TRY_CFLAG(FLAG): keep it if the compiler knows it.
AC_DEFUN([WEIR_TRY_CFLAG], [
  weir_saved_cflags="$CFLAGS"
  CFLAGS="$CFLAGS -Werror $1"
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])], [WEIR_CFLAGS="$WEIR_CFLAGS $1"])
  CFLAGS="$weir_saved_cflags"
])
