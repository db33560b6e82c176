/* err - why a call failed, in words fit for the user.
 *
 * A function that can fail takes a struct err last, returns -1 and fills it.
 * The text is lower case, ends without a full stop, quotes its subject in
 * single quotes, and grows a prefix as the failure travels up (err_wrap).
 * Nothing here allocates, so reporting cannot fail.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_code {
    ERR_NONE,
    ERR_USAGE,       /* the user asked for something impossible */
    ERR_SYS,         /* a system call failed: see sys */
    ERR_CORRUPT,     /* stored data breaks its format */
    ERR_LIMIT,       /* something grew past a documented bound */
    ERR_UNSUPPORTED, /* well-formed, but a variant we do not read */
};

struct err {
    enum err_code code;
    int sys;        /* errno for ERR_SYS, else 0 */
    char text[512]; /* cut short if need be, always terminated */
};

/* All three return -1, so that "return err_set(...)" reads well. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int err_sys(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
