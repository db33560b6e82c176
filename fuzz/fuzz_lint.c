/* Fallback configurations over arbitrary bytes: every format, as its content says, then proved,
 * checked and printed. */
#include "config.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/timestamp.h"
#include "replay/foreign.h"
#include "replay/lint_print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(foreign_file_release) struct foreign_file file = { 0 };
    CLEANUP(lint_release) struct lint lint = { 0 };
    CLEANUP(plan_free) struct plan *plan = NULL;
    CLEANUP(proof_release) struct proof proof = { 0 };
    CLEANUP(buf_release) struct buf out = { 0 };
    struct prove_options o = { .deadline_us = 90 * US_PER_SECOND,
                               .retry_after_us = 30 * US_PER_SECOND,
                               .client = callers };
    struct err err = { 0 };

    if (foreign_parse((struct str){ (const char *)data, size }, "fuzz", FOREIGN_FORMATS, &file,
                      &err) < 0 ||
        foreign_read(&file, 1, &lint, &plan, &err) < 0) {
        assert(err.text[0] && !plan);
        return 0;
    }
    prove(plan, &o, &proof);
    lint_check(&lint, plan, &proof, &o);
    lint_sort(&lint);
    lint_print_text(&lint, plan, &proof, &o, &out);
    buf_clear(&out);
    buf_add_byte(&out, '[');
    lint_print_json(&lint, plan, &proof, &o, &out);
    return 0;
}
