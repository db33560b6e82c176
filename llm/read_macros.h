/* read_macros - how the member tables of the wires are written.  Internal to llm/read_*.c. */
#ifndef LLM_READ_MACROS_H
#define LLM_READ_MACROS_H

#include "llm/read.h"

#define COUNT(name, unit)                                                                          \
    {                                                                                              \
        STR_INIT(name), TAKE_COUNT, USAGE_##unit, 0, NULL, NULL                                    \
    }
#define EXTRA(name, extra)                                                                         \
    {                                                                                              \
        STR_INIT(name), TAKE_COUNT, COUNT_##extra, 0, NULL, NULL                                   \
    }
#define TEXT(name, slot)                                                                           \
    {                                                                                              \
        STR_INIT(name), TAKE_TEXT, SLOT_##slot, 0, NULL, NULL                                      \
    }
#define OBJECT(name, members)                                                                      \
    {                                                                                              \
        STR_INIT(name), TAKE_OBJECT, 0, 0, &(members), NULL                                        \
    }
#define EACH(name, members)                                                                        \
    {                                                                                              \
        STR_INIT(name), TAKE_ELEMENTS, 0, 0, &(members), NULL                                      \
    }
#define CALL(name, fn, arg)                                                                        \
    {                                                                                              \
        STR_INIT(name), TAKE_CALL, (arg), 0, NULL, (fn)                                            \
    }
#define FLAG(name, flag)                                                                           \
    {                                                                                              \
        STR_INIT(name), TAKE_FLAG, READING_##flag, 0, NULL, NULL                                   \
    }
#define MARK(name, flag)                                                                           \
    {                                                                                              \
        STR_INIT(name), TAKE_MARK, READING_##flag, 0, NULL, NULL                                   \
    }
#define EVENT_TYPE(name)                                                                           \
    {                                                                                              \
        STR_INIT(name), TAKE_EVENT, 0, 0, NULL, NULL                                               \
    }
#define EVENT_OBJECT(name)                                                                         \
    {                                                                                              \
        STR_INIT(name), TAKE_EVENT, 1, 0, NULL, NULL                                               \
    }
#define USAGE(name)        CALL(name, read_usage, 0)
#define ERROR_MEMBER(name) CALL(name, read_error, 0)
#define COUNT_FLAGGED(name, unit, flag)                                                            \
    {                                                                                              \
        STR_INIT(name), TAKE_COUNT, USAGE_##unit, COUNTS_##flag, NULL, NULL                        \
    }

#endif
