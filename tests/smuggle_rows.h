/* smuggle_rows - requests whose end is a matter of opinion, by family.  The families are those of
 * published work, the bytes are our own:
 *
 *     Linhart et al. 2005 (two lengths); Kettle 2019, 2021, 2022 and 2025 (CL.TE, TE.CL, TE.TE,
 *     downgrades, CL.0, 0.CL, Expect); Grenfeldt et al. 2021 (numbers, chunk extensions);
 *     CVE-2021-22959/22960, CVE-2022-32213/32214/32215/35256, CVE-2023-30589, CVE-2024-27982
 *     (llhttp); the HTTP Garden 2024 (differences between 20 servers); Weikop 2025 ("funky chunks":
 *     TERM.EXT, SPILL.TERM, ONE.TWO) and CVE-2025-55315; RFC 9112, 11.2.
 *
 * status is the answer's; 200 = forwarded, as so many messages.  Where a request is refused only
 * after its head was forwarded (a chunk says nonsense), what went to the upstream is a part of a
 * message, whose connection ends.
 */
#ifndef TESTS_SMUGGLE_ROWS_H
#define TESTS_SMUGGLE_ROWS_H

#include "base/mem.h"
#include "base/str.h"

#define POST    "POST /tap/row HTTP/1.1\r\nHost: w\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define HIDDEN  "GET /tap/smuggled HTTP/1.1\r\nHost: w\r\n\r\n"

struct smuggle_row {
    const char *name;
    struct str bytes;
    int status;
    size_t messages;
};

static const struct smuggle_row framing_rows[] = {
    {"CL.TE",                               STR_INIT(POST "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"),
     400,                                                                                                                            0},
    { "TE.CL",
     STR_INIT(POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n27\r\n" HIDDEN
                    "\r\n0\r\n\r\n"),
     400,                                                                                                                            0},
    { "both, agreeing",
     STR_INIT(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),                                         400, 0},
    { "a length and gzip",
     STR_INIT(POST "Content-Length: 5\r\nTransfer-Encoding: gzip\r\n\r\nhello"),                                                400, 0},
    { "a length and identity",
     STR_INIT(POST "Content-Length: 5\r\nTransfer-Encoding: identity\r\n\r\nhello"),                                            400, 0},
    { "a length and nothing coded",
     STR_INIT(POST "Content-Length: 5\r\nTransfer-Encoding:\r\n\r\nhello"),                                                     501, 0},
    { "TE.0: OPTIONS with chunks",
     STR_INIT(
          "OPTIONS /tap/row HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n27\r\n" HIDDEN
          "\r\n0\r\n\r\n"),
     200,                                                                                                                            1},
    { "CL.0: a request as the body",        STR_INIT(POST "Content-Length: 39\r\n\r\n" HIDDEN),                                 200, 1},
    { "Connection names Content-Length",
     STR_INIT(POST "Connection: Content-Length\r\nContent-Length: 39\r\n\r\n" HIDDEN),                                          400, 0},
    { "Connection names Transfer-Encoding",
     STR_INIT(POST "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
     200,                                                                                                                            1},
    { "Connection names Host",              STR_INIT(POST "Connection: close, Host\r\n\r\n"),                                   400, 0},
    { "HTTP/1.0 with chunks",
     STR_INIT("POST /tap/row HTTP/1.0\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
     400,                                                                                                                            0},
    { "a length as CGI spells it",          STR_INIT(POST "Content_Length: 38\r\n\r\n" HIDDEN),                                 400, 0},
    { "a coding as CGI spells it",
     STR_INIT(POST "Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),                                         400, 0},
    { "Trailer names Content-Length",
     STR_INIT(POST "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\n\r\n"),                                   200,
     1                                                                                                                                },
};

static const struct smuggle_row coding_rows[] = {
    {"xchunked",                         STR_INIT(POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),               400, 0},
    { "chunkedchunked",                  STR_INIT(POST "Transfer-Encoding: chunkedchunked\r\n\r\n0\r\n\r\n"),         400,
     0                                                                                                                      },
    { "chunked, identity",               STR_INIT(POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
     400,                                                                                                                  0},
    { "identity, chunked",               STR_INIT(POST "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n"),
     501,                                                                                                                  0},
    { "gzip, chunked",                   STR_INIT(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),          501, 0},
    { "chunked, chunked",                STR_INIT(POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
     400,                                                                                                                  0},
    { "chunked with a parameter",        STR_INIT(POST "Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n"),
     400,                                                                                                                  0},
    { "quoted",                          STR_INIT(POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),            400, 0},
    { "an empty element",                STR_INIT(POST "Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n"),               501, 0},
    { "an empty one behind",             STR_INIT(POST "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n"),               400,
     0                                                                                                                      },
    { "two fields",
     STR_INIT(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n"),                            400,
     0                                                                                                                      },
    { "two fields, one empty",
     STR_INIT(POST "Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),                              501, 0},
    { "other letters",                   STR_INIT(POST "tRANSFER-eNCODING: cHUNKED\r\n\r\n0\r\n\r\n"),                200, 1},
    { "a tab before it",                 STR_INIT(POST "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n"),               200, 1},
    { "blanks behind it",                STR_INIT(POST "Transfer-Encoding: chunked \t \r\n\r\n0\r\n\r\n"),            400,
     0                                                                                                                      },
    { "a vertical tab before it",        STR_INIT(POST "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n"),
     400,                                                                                                                  0},
    { "a vertical tab behind it",        STR_INIT(POST "Transfer-Encoding: chunked\v\r\n\r\n0\r\n\r\n"),
     400,                                                                                                                  0},
    { "a form feed",                     STR_INIT(POST "Transfer-Encoding:\fchunked\r\n\r\n0\r\n\r\n"),               400, 0},
    { "a NUL behind it",                 STR_INIT(POST "Transfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n"),              400, 0},
    { "DEL behind it",                   STR_INIT(POST "Transfer-Encoding: chunked\x7f\r\n\r\n0\r\n\r\n"),            400, 0},
    { "a no-break space",
     STR_INIT(POST "Transfer-Encoding: \xc2\xa0"
                    "chunked\r\n\r\n0\r\n\r\n"),
     400,                                                                                                                  0},
    { "a wide k",
     STR_INIT(POST "Transfer-Encoding: chun\xe2\x84\xaa"
                    "ed\r\n\r\n0\r\n\r\n"),
     400,                                                                                                                  0},
    { "a CR before it",                  STR_INIT(POST "Transfer-Encoding: \rchunked\r\n\r\n0\r\n\r\n"),              400, 0},
    { "a CR behind it",                  STR_INIT(POST "Transfer-Encoding: chunked\r\r\n\r\n0\r\n\r\n"),              400, 0},
    { "a LF before it",                  STR_INIT(POST "Transfer-Encoding:\nchunked\r\n\r\n0\r\n\r\n"),               400, 0},
    { "on the next line",                STR_INIT(POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),            400,
     0                                                                                                                      },
    { "continued",                       STR_INIT(POST "Transfer-Encoding: chunked\r\n , identity\r\n\r\n0\r\n\r\n"), 400,
     0                                                                                                                      },
    { "in another field's continuation",
     STR_INIT(POST
               "Foo: bar\r\n\tTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
     400,                                                                                                                  0},
    { "behind a bare CR",                STR_INIT(POST "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),          400,
     0                                                                                                                      },
    { "behind a bare LF",                STR_INIT(POST "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),          400,
     0                                                                                                                      },
    { "in the value of another",
     STR_INIT(POST "X: Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),                            200,
     1                                                                                                                      },
};

static const struct smuggle_row name_rows[] = {
    {"a blank before the colon",          STR_INIT(POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
     400,                                                                                                      0},
    { "a tab before the colon",           STR_INIT(POST "Content-Length\t: 38\r\n\r\n" HIDDEN),           400, 0},
    { "a blank before the name",          STR_INIT(POST " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),  400,
     0                                                                                                          },
    { "the first line is a continuation", STR_INIT("POST /tap/row HTTP/1.1\r\n Host: w\r\n\r\n"),
     400,                                                                                                      0},
    { "a NUL in the name",                STR_INIT(POST "Transfer-\0Encoding: chunked\r\n\r\n0\r\n\r\n"), 400, 0},
    { "a NUL before the colon",           STR_INIT(POST "Content-Length\0: 38\r\n\r\n" HIDDEN),           400, 0},
    { "a CR before the colon",            STR_INIT(POST "Content-Length\r: 38\r\n\r\n" HIDDEN),           400, 0},
    { "no colon",                         STR_INIT(POST "Content-Length\r\n\r\n"),                        400, 0},
    { "an empty name",                    STR_INIT(POST ": chunked\r\n\r\n"),                             400, 0},
    { "an empty name separated by CR",
     STR_INIT(POST "X:\r"
                    "Content-Length: 39\r\n\r\n" HIDDEN),
     400,                                                                                                      0},
    { "letters beyond ASCII",             STR_INIT(POST "Content-Length\xc2\xa0: 38\r\n\r\n" HIDDEN),     400, 0},
    { "a quote in the name",              STR_INIT(POST "\"Content-Length\": 38\r\n\r\n" HIDDEN),         400, 0},
    { "a NUL in a value",                 STR_INIT(POST "X: a\0b\r\nContent-Length: 2\r\n\r\nhi"),        400, 0},
    { "a control character in a value",
     STR_INIT(POST "X: a\x01"
                    "b\r\nContent-Length: 2\r\n\r\nhi"),
     400,                                                                                                      0},
    { "an escape in a value",             STR_INIT(POST "X: \x1b[2J\r\nContent-Length: 2\r\n\r\nhi"),     400, 0},
    { "bytes beyond ASCII in a value",
     STR_INIT(POST "X: \xc3\xa4\xff\r\nContent-Length: 2\r\n\r\nhi"),                                     200, 1},
    { "an empty value",                   STR_INIT(POST "X:\r\nContent-Length: 2\r\n\r\nhi"),             200, 1},
};

static const struct smuggle_row length_rows[] = {
    {"two that differ",      STR_INIT(POST "Content-Length: 39\r\nContent-Length: 0\r\n\r\n" HIDDEN),
     400,                                                                                                    0},
    { "two that agree",      STR_INIT(POST "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi"),         400, 0},
    { "a list",              STR_INIT(POST "Content-Length: 2, 2\r\n\r\nhi"),                           400, 0},
    { "a list that differs", STR_INIT(POST "Content-Length: 0, 38\r\n\r\n" HIDDEN),                     400, 0},
    { "a plus",              STR_INIT(POST "Content-Length: +2\r\n\r\nhi"),                             400, 0},
    { "a minus",             STR_INIT(POST "Content-Length: -2\r\n\r\nhi"),                             400, 0},
    { "minus zero",          STR_INIT(POST "Content-Length: -0\r\n\r\n"),                               400, 0},
    { "hexadecimal",         STR_INIT(POST "Content-Length: 0x2\r\n\r\nhi"),                            400, 0},
    { "an underscore",       STR_INIT(POST "Content-Length: 1_0\r\n\r\n0123456789"),                    400, 0},
    { "a decimal point",     STR_INIT(POST "Content-Length: 2.0\r\n\r\nhi"),                            400, 0},
    { "an exponent",         STR_INIT(POST "Content-Length: 2e0\r\n\r\nhi"),                            400, 0},
    { "blanks within",       STR_INIT(POST "Content-Length: 3 8\r\n\r\n" HIDDEN),                       400, 0},
    { "a blank name first",  STR_INIT(POST "Content-Length: 2 x\r\n\r\nhi"),                            400, 0},
    { "2 to the 64th and 2", STR_INIT(POST "Content-Length: 18446744073709551618\r\n\r\nhi"),           400,
     0                                                                                                        },
    { "2 to the 63rd",       STR_INIT(POST "Content-Length: 9223372036854775808\r\n\r\nhi"),            400, 0},
    { "30 digits",           STR_INIT(POST "Content-Length: 000000000000000000000000000002\r\n\r\nhi"), 400,
     0                                                                                                        },
    { "empty",               STR_INIT(POST "Content-Length:\r\n\r\nhi"),                                400, 0},
    { "a NUL behind it",     STR_INIT(POST "Content-Length: 2\0\r\n\r\nhi"),                            400, 0},
    { "a vertical tab",      STR_INIT(POST "Content-Length: \v2\r\n\r\nhi"),                            400, 0},
    { "other digits",        STR_INIT(POST "Content-Length: \xd9\xa2\r\n\r\nhi"),                       400, 0},
    { "blanks around",       STR_INIT(POST "Content-Length: \t 2 \t\r\n\r\nhi"),                        400, 0},
    { "a zero before",       STR_INIT(POST "Content-Length: 02\r\n\r\nhi"),                             200, 1},
    { "behind a CR",         STR_INIT(POST "X: y\rContent-Length: 39\r\n\r\n" HIDDEN),                  400, 0},
    { "more than the limit", STR_INIT(POST "Content-Length: 99999999999\r\n\r\nhi"),                    413, 0},
    { "Expect obfuscated",   STR_INIT(POST "Expect: y 100-continue\r\nContent-Length: 2\r\n\r\nhi"),
     417,                                                                                                    0},
    { "Expect twice",
     STR_INIT(POST "Expect: 100-continue\r\nExpect: x\r\nContent-Length: 2\r\n\r\nhi"),                 417, 0},
};

static const struct smuggle_row chunk_rows[] = {
    {"clean",                              STR_INIT(CHUNKED "2\r\nhi\r\n0\r\n\r\n"),                   200, 1},
    { "a request within",                  STR_INIT(CHUNKED "27\r\n" HIDDEN "\r\n0\r\n\r\n"),          200, 1},
    { "zeros before",                      STR_INIT(CHUNKED "0002\r\nhi\r\n000\r\n\r\n"),              200, 1},
    { "17 digits",                         STR_INIT(CHUNKED "00000000000000002\r\nhi\r\n0\r\n\r\n"),   400, 0},
    { "0x",                                STR_INIT(CHUNKED "0x2\r\nhi\r\n0\r\n\r\n"),                 400, 0},
    { "a plus",                            STR_INIT(CHUNKED "+2\r\nhi\r\n0\r\n\r\n"),                  400, 0},
    { "a minus",                           STR_INIT(CHUNKED "-2\r\nhi\r\n0\r\n\r\n"),                  400, 0},
    { "an underscore",                     STR_INIT(CHUNKED "0_2\r\nhi\r\n0\r\n\r\n"),                 400, 0},
    { "wraps at 2 to the 64th",            STR_INIT(CHUNKED "10000000000000002\r\nhi\r\n0\r\n\r\n"),   400, 0},
    { "all ones",                          STR_INIT(CHUNKED "ffffffffffffffff\r\nhi\r\n0\r\n\r\n"),    400, 0},
    { "2 to the 63rd",                     STR_INIT(CHUNKED "8000000000000000\r\nhi\r\n0\r\n\r\n"),    400, 0},
    { "wraps at 2 to the 32nd",            STR_INIT(CHUNKED "100000002\r\nhi\r\n0\r\n\r\n" HIDDEN),    408, 0},
    { "empty",                             STR_INIT(CHUNKED "\r\nhi\r\n0\r\n\r\n"),                    400, 0},
    { "no hexadecimal",                    STR_INIT(CHUNKED "g\r\nhi\r\n0\r\n\r\n"),                   400, 0},
    { "a blank before",                    STR_INIT(CHUNKED " 2\r\nhi\r\n0\r\n\r\n"),                  400, 0},
    { "a blank behind",                    STR_INIT(CHUNKED "2 \r\nhi\r\n0\r\n\r\n"),                  400, 0},
    { "a blank, then an extension",        STR_INIT(CHUNKED "2 ;a\r\nhi\r\n0\r\n\r\n"),                400, 0},
    { "a tab behind",                      STR_INIT(CHUNKED "2\t\r\nhi\r\n0\r\n\r\n"),                 400, 0},
    { "a NUL behind",                      STR_INIT(CHUNKED "2\0\r\nhi\r\n0\r\n\r\n"),                 400, 0},
    { "an extension",                      STR_INIT(CHUNKED "2;a=b\r\nhi\r\n0;c\r\n\r\n"),             200, 1},
    { "an extension in quotes",            STR_INIT(CHUNKED "2;a=\"\\\"b;c\"\r\nhi\r\n0\r\n\r\n"),     400, 0},
    { "EXT.TERM: a CR in an extension",    STR_INIT(CHUNKED "2;\rxx\r\nhi\r\n0\r\n\r\n"),              400, 0},
    { "TERM.EXT: a LF in an extension",    STR_INIT(CHUNKED "2;\nxx\r\nhi\r\n0\r\n\r\n"),              400, 0},
    { "a LF in quotes of an extension",    STR_INIT(CHUNKED "2;a=\"\nb\"\r\nhi\r\n0\r\n\r\n"),         400,
     0                                                                                                       },
    { "a NUL in an extension",             STR_INIT(CHUNKED "2;\0\r\nhi\r\n0\r\n\r\n"),                400, 0},
    { "a size that ends with LF",          STR_INIT(CHUNKED "2\nhi\r\n0\r\n\r\n"),                     400, 0},
    { "a size that ends with CR",          STR_INIT(CHUNKED "2\rhi\r\n0\r\n\r\n"),                     400, 0},
    { "a size that ends with CR CR LF",    STR_INIT(CHUNKED "2\r\r\nhi\r\n0\r\n\r\n"),                 400, 0},
    { "TERM.SPILL: data that end with LF", STR_INIT(CHUNKED "2\r\nhi\n0\r\n\r\n"),                     400, 0},
    { "SPILL.TERM: data longer than said", STR_INIT(CHUNKED "2\r\nhixx\r\n0\r\n\r\n"),                 400, 0},
    { "ONE.TWO: one byte for CRLF",        STR_INIT(CHUNKED "2\r\nhix0\r\n\r\n"),                      400, 0},
    { "ZERO.TWO: nothing for CRLF",        STR_INIT(CHUNKED "2\r\nhi0\r\n\r\n"),                       400, 0},
    { "data shorter than said",            STR_INIT(CHUNKED "5\r\nhi\r\n0\r\n\r\n" HIDDEN),            400, 0},
    { "the last chunk ends with LF",       STR_INIT(CHUNKED "0\n\r\n"),                                400, 0},
    { "the trailers end with LF",          STR_INIT(CHUNKED "0\r\n\n"),                                400, 0},
    { "the trailers end with CR",          STR_INIT(CHUNKED "0\r\n\rX"),                               400, 0},
    { "a trailer",                         STR_INIT(CHUNKED "0\r\nX-Sum: 1\r\n\r\n"),                  200, 1},
    { "a trailer: Content-Length",         STR_INIT(CHUNKED "0\r\nContent-Length: 39\r\n\r\n" HIDDEN), 400,
     0                                                                                                       },
    { "a trailer: Transfer-Encoding",
     STR_INIT(CHUNKED "0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),                             400, 0},
    { "a trailer: Host",                   STR_INIT(CHUNKED "0\r\nHost: other\r\n\r\n"),               400, 0},
    { "a folded trailer",                  STR_INIT(CHUNKED "0\r\nX: a\r\n b\r\n\r\n"),                400, 0},
    { "a trailer with a NUL",              STR_INIT(CHUNKED "0\r\nX: \0\r\n\r\n"),                     400, 0},
};

static const struct smuggle_row line_rows[] = {
    {"LF only",                           STR_INIT("POST /tap/row HTTP/1.1\nHost: w\nContent-Length: 2\n\nhi"), 400, 0},
    { "LF behind the request line",       STR_INIT("POST /tap/row HTTP/1.1\nHost: w\r\n\r\n"),                  400, 0},
    { "LF behind a header",               STR_INIT("POST /tap/row HTTP/1.1\r\nHost: w\nX: y\r\n\r\n"),          400, 0},
    { "LF ends the head",                 STR_INIT("POST /tap/row HTTP/1.1\r\nHost: w\r\n\n" HIDDEN),           400, 0},
    { "CR only",                          STR_INIT("POST /tap/row HTTP/1.1\rHost: w\r\r" HIDDEN),               400, 0},
    { "a CR in the target",               STR_INIT("POST /tap/ro\rw HTTP/1.1\r\nHost: w\r\n\r\n"),              400, 0},
    { "CR CR LF",                         STR_INIT("POST /tap/row HTTP/1.1\r\r\nHost: w\r\n\r\n"),              400, 0},
    { "two empty lines before",           STR_INIT("\r\n\r\nPOST /tap/row HTTP/1.1\r\nHost: w\r\n\r\n"),        200,
     1                                                                                                                },
    { "three empty lines before",         STR_INIT("\r\n\r\n\r\nPOST /tap/row HTTP/1.1\r\nHost: w\r\n\r\n"),
     400,                                                                                                            0},
    { "a LF before",                      STR_INIT("\nPOST /tap/row HTTP/1.1\r\nHost: w\r\n\r\n"),              400, 0},
    { "a blank before",                   STR_INIT(" POST /tap/row HTTP/1.1\r\nHost: w\r\n\r\n"),               400, 0},
    { "two blanks",                       STR_INIT("POST  /tap/row HTTP/1.1\r\nHost: w\r\n\r\n"),               400, 0},
    { "a tab",                            STR_INIT("POST\t/tap/row HTTP/1.1\r\nHost: w\r\n\r\n"),               400, 0},
    { "a blank in the target",            STR_INIT("POST /tap/row HTTP/1.1 HTTP/1.1\r\nHost: w\r\n\r\n"),       400,
     0                                                                                                                },
    { "a blank behind",                   STR_INIT("POST /tap/row HTTP/1.1 \r\nHost: w\r\n\r\n"),               400, 0},
    { "no version",                       STR_INIT("POST /tap/row\r\nHost: w\r\n\r\n"),                         400, 0},
    { "HTTP/0.9",                         STR_INIT("GET /tap/row HTTP/0.9\r\nHost: w\r\n\r\n"),                 505, 0},
    { "HTTP/1.2",                         STR_INIT("GET /tap/row HTTP/1.2\r\nHost: w\r\n\r\n"),                 505, 0},
    { "HTTP/2.0",                         STR_INIT("GET /tap/row HTTP/2.0\r\nHost: w\r\n\r\n"),                 505, 0},
    { "HTTP/01.1",                        STR_INIT("GET /tap/row HTTP/01.1\r\nHost: w\r\n\r\n"),                400, 0},
    { "HTTP/1.10",                        STR_INIT("GET /tap/row HTTP/1.10\r\nHost: w\r\n\r\n"),                400, 0},
    { "http/1.1",                         STR_INIT("GET /tap/row http/1.1\r\nHost: w\r\n\r\n"),                 400, 0},
    { "a method in small letters",        STR_INIT("post /tap/row HTTP/1.1\r\nHost: w\r\n\r\n"),                400, 0},
    { "a method of the other side",       STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),             400,
     0                                                                                                                },
    { "a NUL in the target",              STR_INIT("GET /tap/ro\0w HTTP/1.1\r\nHost: w\r\n\r\n"),               400, 0},
    { "a fragment",                       STR_INIT("GET /tap/row#x HTTP/1.1\r\nHost: w\r\n\r\n"),               400, 0},
    { "bytes beyond ASCII in the target", STR_INIT("GET /tap/\xc3\xa4 HTTP/1.1\r\nHost: w\r\n\r\n"),
     400,                                                                                                            0},
};

static const struct smuggle_row target_rows[] = {
    {"absolute",                          STR_INIT("GET http://w/tap/row HTTP/1.1\r\nHost: w\r\n\r\n"),                         200, 1},
    { "absolute, another Host",           STR_INIT("GET http://w/tap/row HTTP/1.1\r\nHost: internal\r\n\r\n"),
     400,                                                                                                                            0},
    { "absolute, no path",                STR_INIT("GET http://w HTTP/1.1\r\nHost: w\r\n\r\n"),                                 404, 0},
    { "absolute with a user",             STR_INIT("GET http://u:p@w/tap/row HTTP/1.1\r\nHost: w\r\n\r\n"),                     400,
     0                                                                                                                                },
    { "absolute, another scheme",         STR_INIT("GET file:///etc/passwd HTTP/1.1\r\nHost: w\r\n\r\n"),
     400,                                                                                                                            0},
    { "a double slash",                   STR_INIT("GET //tap/row HTTP/1.1\r\nHost: w\r\n\r\n"),                                404, 0},
    { "no slash",                         STR_INIT("GET tap/row HTTP/1.1\r\nHost: w\r\n\r\n"),                                  400, 0},
    { "an @",                             STR_INIT("GET @internal/tap HTTP/1.1\r\nHost: w\r\n\r\n"),                            400, 0},
    { "CONNECT",                          STR_INIT("CONNECT internal:443 HTTP/1.1\r\nHost: w\r\n\r\n"),                         405, 0},
    { "an asterisk",                      STR_INIT("OPTIONS * HTTP/1.1\r\nHost: w\r\n\r\n"),                                    400, 0},
    { "PRI, not HTTP/2",                  STR_INIT("PRI * HTTP/2.0\r\nHost: w\r\n\r\n"),                                        505, 0},
    { "no Host",                          STR_INIT("GET /tap/row HTTP/1.1\r\n\r\n"),                                            400, 0},
    { "an empty Host",                    STR_INIT("GET /tap/row HTTP/1.1\r\nHost:\r\n\r\n"),                                   200, 1},
    { "two Hosts",                        STR_INIT("GET /tap/row HTTP/1.1\r\nHost: w\r\nHost: internal\r\n\r\n"),               400, 0},
    { "a Host with a path",               STR_INIT("GET /tap/row HTTP/1.1\r\nHost: w/x\r\n\r\n"),                               400, 0},
    { "a Host with a user",               STR_INIT("GET /tap/row HTTP/1.1\r\nHost: u@w\r\n\r\n"),                               400, 0},
    { "two Hosts in one",                 STR_INIT("GET /tap/row HTTP/1.1\r\nHost: w, x\r\n\r\n"),                              400, 0},
    { "dots",                             STR_INIT("GET /tap/../row HTTP/1.1\r\nHost: w\r\n\r\n"),                              400, 0},
    { "escaped dots",                     STR_INIT("GET /tap/%2e%2E/row HTTP/1.1\r\nHost: w\r\n\r\n"),                          400, 0},
    { "an escaped slash and dots",        STR_INIT("GET /tap/a%2f..%2frow HTTP/1.1\r\nHost: w\r\n\r\n"),
     400,                                                                                                                            0},
    { "a backslash and dots",             STR_INIT("GET /tap/a\\..\\row HTTP/1.1\r\nHost: w\r\n\r\n"),                          400, 0},
    { "dots behind a parameter",          STR_INIT("GET /tap/..;/row HTTP/1.1\r\nHost: w\r\n\r\n"),                             400, 0},
    { "an escaped slash",                 STR_INIT("GET /tap/a%2Fb HTTP/1.1\r\nHost: w\r\n\r\n"),                               200, 1},
    { "an upstream's name escaped",       STR_INIT("GET /t%61p/row HTTP/1.1\r\nHost: w\r\n\r\n"),                               404,
     0                                                                                                                                },
    { "an escaped line end",              STR_INIT("GET /tap/row%0d%0aX:%20y HTTP/1.1\r\nHost: w\r\n\r\n"),                     200,
     1                                                                                                                                },
    { "an escaped NUL",                   STR_INIT("GET /tap/row%00 HTTP/1.1\r\nHost: w\r\n\r\n"),                              200, 1},
    { "escaped characters of many bytes",
     STR_INIT("GET /tap/%E2%82%AC%c0%af HTTP/1.1\r\nHost: w\r\n\r\n"),                                                          200, 1},
    { "a broken escape",                  STR_INIT("GET /tap/%zz%4 HTTP/1.1\r\nHost: w\r\n\r\n"),                               200, 1},
    { "dots in the query",                STR_INIT("GET /tap/row?a=/../b HTTP/1.1\r\nHost: w\r\n\r\n"),                         200, 1},
    { "TRACE",                            STR_INIT("TRACE /tap/row HTTP/1.1\r\nHost: w\r\nAuthorization: Bearer sk-1\r\n\r\n"),
     405,                                                                                                                            0},
    { "an upgrade to h2c",
     STR_INIT(POST "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
                    "AAMAAABk\r\nContent-Length: 2\r\n\r\nhi"),
     200,                                                                                                                            1},
    { "an upgrade to a WebSocket",
     STR_INIT(
          "GET /tap/row HTTP/1.1\r\nHost: w\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
     200,                                                                                                                            1},
    { "pipelined",
     STR_INIT(POST "Content-Length: 2\r\n\r\nhiGET /tap/second HTTP/1.1\r\nHost: w\r\n\r\n"),                                   200,
     2                                                                                                                                },
};

#define FAMILY(rows)                                                                               \
    {                                                                                              \
        rows, ARRAY_LEN(rows)                                                                      \
    }
static const struct {
    const struct smuggle_row *rows;
    size_t count;
} families[] = {
    FAMILY(framing_rows), FAMILY(coding_rows), FAMILY(name_rows),   FAMILY(length_rows),
    FAMILY(chunk_rows),   FAMILY(line_rows),   FAMILY(target_rows),
};

#endif
