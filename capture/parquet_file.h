/* parquet_file - an open Parquet file whose footer is checked, for parquet_read and parquet_values
 * alone. */
#ifndef CAPTURE_PARQUET_FILE_H
#define CAPTURE_PARQUET_FILE_H

#include "base/arena.h"
#include "base/buf.h"
#include "capture/parquet.h"
#include "capture/parquet_format.h"

struct parquet_file {
    int fd;
    uint64_t size;
    uint64_t data_end; /* where seal or footer begins: no chunk reaches beyond */
    struct buf footer; /* meta borrows from it */
    struct arena arena;
    struct pq_file_meta meta;
    struct parquet_column *columns;
    size_t column_count;
    struct buf seal;    /* little-endian CRC-32C of each chunk, group by group */
    size_t seal_chunks; /* 0 = not sealed */
};

static inline const struct pq_row_group *parquet_group_at(const struct parquet_file *f,
                                                          size_t group)
{
    return &((const struct pq_row_group *)f->meta.row_groups.items)[group];
}

static inline const struct pq_column_meta *parquet_chunk_at(const struct parquet_file *f,
                                                            size_t group, size_t column)
{
    const struct pq_column_chunk *chunks = parquet_group_at(f, group)->columns.items;

    return &chunks[column].meta;
}

/* Where the chunk's bytes begin: its dictionary page, if it has one. */
static inline uint64_t parquet_chunk_start(const struct pq_column_meta *meta)
{
    bool has_dictionary =
        meta->dictionary_page_offset > 0 && meta->dictionary_page_offset < meta->data_page_offset;

    return (uint64_t)(has_dictionary ? meta->dictionary_page_offset : meta->data_page_offset);
}

#endif
