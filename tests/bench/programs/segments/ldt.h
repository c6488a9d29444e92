/* Segments of a process's own, by modify_ldt. */
#ifndef BENCH_LDT_H
#define BENCH_LDT_H
#include "rt.h"

enum ldt_kind { LDT_DATA = 0, LDT_CODE = 2 };

/* Describes the segment in entry `entry` and returns its selector. The limit is in bytes, up to 1 MiB. */
static inline uint16_t ldt_segment(uint32_t entry, const void *base, uint32_t limit, enum ldt_kind kind, int is_32bit)
{
    enum { WRITE_LDT = 0x11, SEG_32BIT = 1, CONTENTS_SHIFT = 1, USEABLE = 1 << 6 };
    struct {
        uint32_t entry, base, limit, flags;
    } description = {entry, (uint32_t)(uintptr_t)base, limit,
                     USEABLE | (uint32_t)kind << CONTENTS_SHIFT | (is_32bit ? SEG_32BIT : 0)};
    must(sys3(SYS_MODIFY_LDT, WRITE_LDT, (long)&description, sizeof description), "modify_ldt");
    return (uint16_t)(entry << 3 | 7);
}

/* All 4 GiB. */
static inline uint16_t ldt_flat(uint32_t entry, enum ldt_kind kind)
{
    enum { WRITE_LDT = 0x11, SEG_32BIT = 1, CONTENTS_SHIFT = 1, LIMIT_IN_PAGES = 1 << 4, USEABLE = 1 << 6 };
    uint32_t description[4] = {entry, 0, 0xfffff,
                               USEABLE | LIMIT_IN_PAGES | (uint32_t)kind << CONTENTS_SHIFT | SEG_32BIT};
    must(sys3(SYS_MODIFY_LDT, WRITE_LDT, (long)description, sizeof description), "modify_ldt");
    return (uint16_t)(entry << 3 | 7);
}

#endif
