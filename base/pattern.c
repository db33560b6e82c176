#include "config.h"

#include "base/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#define MATCH_LIMIT         1000000
#define HEAP_LIMIT_KIB      (16u << 10) /* only for matching without JIT */
#define JIT_STACK_BYTES_MIN (32u << 10)
#define JIT_STACK_BYTES_MAX (1u << 20)

struct pattern {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
    pcre2_jit_stack *stack; /* NULL: no JIT here, which is only slower */
};

static void set_limits(struct pattern *p)
{
    p->match = mem_check(pcre2_match_data_create(1, NULL));
    p->context = mem_check(pcre2_match_context_create(NULL));
    pcre2_set_match_limit(p->context, MATCH_LIMIT);
    pcre2_set_heap_limit(p->context, HEAP_LIMIT_KIB);
    if (pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE) == 0) {
        p->stack =
            mem_check(pcre2_jit_stack_create(JIT_STACK_BYTES_MIN, JIT_STACK_BYTES_MAX, NULL));
        pcre2_jit_stack_assign(p->context, NULL, p->stack);
    }
}

int pattern_compile(struct str regex, struct pattern **ret, struct err *err)
{
    PCRE2_SIZE at = 0;
    int code = 0;

    if (regex.len > PATTERN_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "a pattern longer than %u bytes", PATTERN_BYTES_MAX);
    CLEANUP(pattern_free) struct pattern *p = mem_calloc(1, sizeof(*p));
    /* Bodies may hold any bytes, so a pattern must not turn UTF mode on with (*UTF) either. */
    p->code = pcre2_compile((PCRE2_SPTR)(regex.len ? regex.ptr : ""), regex.len, PCRE2_NEVER_UTF,
                            &code, &at, NULL);
    if (!p->code) {
        char why[160];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof(why));
        return err_set(err, ERR_USAGE, "pattern '%.*s': %s (at byte %zu)",
                       STR_ARG(str_sub(regex, 0, 200)), why, (size_t)at);
    }
    set_limits(p);
    *ret = TAKE(p);
    return 0;
}

void pattern_free(struct pattern *p)
{
    if (!p)
        return;
    pcre2_jit_stack_free(p->stack);
    pcre2_match_context_free(p->context);
    pcre2_match_data_free(p->match);
    pcre2_code_free(p->code);
    free(p);
}

bool pattern_matches(struct pattern *p, struct str s, bool *ret_limited)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)(s.len ? s.ptr : "");
    int r = pcre2_match(p->code, subject, s.len, 0, 0, p->match, p->context);

    /* Besides "no match" only limits can end a match: of steps, of depth, of stack or heap. */
    if (ret_limited)
        *ret_limited = r < 0 && r != PCRE2_ERROR_NOMATCH;
    return r >= 0;
}

bool pattern_find(struct pattern *p, struct str s, size_t from, struct pattern_place *ret)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)(s.len ? s.ptr : "");
    int r = pcre2_match(p->code, subject, s.len, from, PCRE2_NOTEMPTY, p->match, p->context);
    const PCRE2_SIZE *place = pcre2_get_ovector_pointer(p->match);

    ret->limited = r < 0 && r != PCRE2_ERROR_NOMATCH;
    if (r < 0)
        return false;
    if (place[0] >= place[1]) { /* \K can put a match's start behind its end */
        ret->limited = true;
        return false;
    }
    ret->start = place[0];
    ret->end = place[1];
    return true;
}

void pattern_set_limit(struct pattern *p, uint32_t steps)
{
    pcre2_set_match_limit(p->context, steps);
}
