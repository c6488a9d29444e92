/* The log: -d ITEM[,ITEM] turns categories on, -D FILE sends them to a file. Off costs one predictable branch. */
#ifndef HW_CORE_LOG_H
#define HW_CORE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_category {
    LOG_IN_ASM = 1 << 0,      /* guest instructions as they are decoded into a block */
    LOG_EXEC = 1 << 1,        /* each block as it is entered */
    LOG_INT = 1 << 2,         /* interrupts and exceptions, QEMU's "int" */
    LOG_CPU = 1 << 3,         /* registers before each block */
    LOG_CPU_RESET = 1 << 4,   /* registers at each reset */
    LOG_GUEST_ERRORS = 1 << 5, /* guest does something that real hardware gives no meaning to */
    LOG_UNIMP = 1 << 6,       /* guest-visible thing that is not modelled */
    LOG_PCALL = 1 << 7,       /* protected-mode far calls, returns, task switches */
    LOG_MMU = 1 << 8,         /* page faults and TLB flushes */
    LOG_IO = 1 << 9,          /* every port and MMIO access */
    LOG_OP = 1 << 10,         /* a translated block's IR */
    LOG_OP_OPT = 1 << 11,     /* the same as it reaches the backend */
    LOG_OUT_ASM = 1 << 12,    /* its host code */
};

extern uint32_t log_mask; /* process-wide, like stderr: which categories are on */

static inline bool log_is_on(uint32_t category)
{
    return __builtin_expect((log_mask & category) != 0, 0);
}

/* Parses "int,cpu_reset"; on an unknown item returns false and points *bad at it. "help" is handled by the caller. */
bool log_parse_items(const char *items, uint32_t *mask, char *bad, unsigned bad_size);
/* Prints the known items with one line of help each to stdout. */
void log_print_items(void);
/* Sends the log to `path` instead of stderr; false with errno set if it cannot be opened. */
bool log_open(const char *path);
/* printf to the log if `category` is on. */
void log_printf(uint32_t category, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, but at most once per call site and regardless of the mask: `static bool said; log_once(&said, ...)`. */
void log_once(bool *said, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
