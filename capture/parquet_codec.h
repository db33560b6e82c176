/* parquet_codec - undoes the compression of a page, for parquet_values alone. */
#ifndef CAPTURE_PARQUET_CODEC_H
#define CAPTURE_PARQUET_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct ZSTD_DCtx_s;

/* Exactly ret_len bytes must come out; codec is a pq_codec as found in the file. */
int parquet_decompress(int32_t codec, struct ZSTD_DCtx_s *zstd, struct str in, uint8_t *ret,
                       size_t ret_len, struct err *err);
/* Snappy's raw format (format_description.txt of the Snappy sources, 2011), as DuckDB and Spark
 * write by default. */
int snappy_decompress(struct str in, uint8_t *ret, size_t ret_len, struct err *err);

#endif
