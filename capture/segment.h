/* segment - what the file of a day's exchanges from one journal is made of (weir-segment(5)).
 *
 *     zstd frame       manifest.json
 *     zstd frames      bodies/ID.request, bodies/ID.response, bodies/ID.chunks of each exchange,
 * all of it in one frame zstd frames      exchanges.jsonl, about 1 MiB a frame zstd frame       the
 * end of the tar skippable frame  where exchanges.jsonl begins
 *
 * Put together, the frames are one pax tar that `tar --zstd` reads.  Every frame has a checksum, so
 * damage can be told by frame, and an exchange can be read without those before it.
 *
 * Only segment_write.c and segment_read.c include libarchive, whose struct archive is not ours
 * (capture/archive.h): no file may include both.
 */
#ifndef CAPTURE_SEGMENT_H
#define CAPTURE_SEGMENT_H

#include <stddef.h>

#define SEGMENT_VERSION    1
#define SEGMENT_FORMAT     "weir-segment"
#define SEGMENT_MANIFEST   "manifest.json"
#define SEGMENT_LINES      "exchanges.jsonl"
#define SEGMENT_BODIES     "bodies/"
#define SEGMENT_REQUEST    ".request"
#define SEGMENT_RESPONSE   ".response"
#define SEGMENT_CHUNKS     ".chunks"
#define SEGMENT_TMP_PREFIX ".tmp-" /* as ARCHIVE_TMP_PREFIX */
/* A frame of bodies ends with the exchange that fills it.  Smaller ones cost compression: of calls
 * of 5 KB a frame each took 1.4 times the room (bench/bench_seal). */
#define SEGMENT_BODIES_FRAME (128u << 10)
#define SEGMENT_LINES_FRAME  (1u << 20)  /* decoded bytes of exchanges.jsonl a frame */
#define SEGMENT_LINE_MAX     (32u << 20) /* of exchanges.jsonl */
/* The skippable frame at the end: magic, length 16, "weirseg1", offset of exchanges.jsonl. */
#define SEGMENT_INDEX_MAGIC 0x184D2A57u
#define SEGMENT_INDEX_NAME  "weirseg1"
#define SEGMENT_INDEX_BYTES 24

#endif
