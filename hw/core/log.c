/*
 * The log. Its mask and its file belong to the process, like stderr: two machines in one process share them.
 */
#include "hw/core/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

uint32_t log_mask;
static FILE *log_file; /* NULL: stderr */

static const struct {
    const char *name;
    uint32_t category;
    const char *help;
} items[] = {
    {"in_asm", LOG_IN_ASM, "guest instructions as they are decoded into a block"},
    {"exec", LOG_EXEC, "each block as it is entered"},
    {"int", LOG_INT, "interrupts and exceptions"},
    {"cpu", LOG_CPU, "registers before each block"},
    {"cpu_reset", LOG_CPU_RESET, "registers at each reset"},
    {"guest_errors", LOG_GUEST_ERRORS, "what the guest does that hardware gives no meaning to"},
    {"unimp", LOG_UNIMP, "what the guest uses that is not modelled"},
    {"pcall", LOG_PCALL, "protected-mode far calls, returns and task switches"},
    {"mmu", LOG_MMU, "page faults and TLB flushes"},
    {"io", LOG_IO, "every port and MMIO access"},
    {"op", LOG_OP, "intermediate operations of each translated block"},
    {"op_opt", LOG_OP_OPT, "the same as the backend gets them (no pass changes them: as op)"},
    {"out_asm", LOG_OUT_ASM, "host instructions of each translated block"},
};
#define N_ITEMS (sizeof items / sizeof items[0])

bool log_parse_items(const char *list, uint32_t *mask, char *bad, unsigned bad_size)
{
    uint32_t found = 0;
    for (const char *item = list;; item += strcspn(item, ",") + 1) {
        size_t len = strcspn(item, ","), i = 0;
        if (len == 3 && memcmp(item, "all", 3) == 0) {
            for (i = 0; i < N_ITEMS; i++)
                found |= items[i].category;
        } else {
            while (i < N_ITEMS && (strlen(items[i].name) != len || memcmp(items[i].name, item, len) != 0))
                i++;
            if (i == N_ITEMS) {
                snprintf(bad, bad_size, "%.*s", (int)len, item);
                return false;
            }
            found |= items[i].category;
        }
        if (item[len] == '\0')
            break;
    }
    *mask = found;
    return true;
}

void log_print_items(void)
{
    printf("Log items (comma separated):\n");
    for (size_t i = 0; i < N_ITEMS; i++)
        printf("%-15s %s\n", items[i].name, items[i].help);
    printf("%-15s %s\n", "all", "everything above");
}

bool log_open(const char *path)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return false;
    setvbuf(file, NULL, _IOLBF, 0); /* whole lines survive a crash */
    if (log_file)
        fclose(log_file);
    log_file = file;
    return true;
}

static void print(const char *format, va_list args) __attribute__((format(printf, 1, 0)));
static void print(const char *format, va_list args)
{
    vfprintf(log_file ? log_file : stderr, format, args);
}

void log_printf(uint32_t category, const char *format, ...)
{
    if (!log_is_on(category))
        return;
    va_list args;
    va_start(args, format);
    print(format, args);
    va_end(args);
}

void log_once(bool *said, const char *format, ...)
{
    if (*said)
        return;
    *said = true;
    va_list args;
    va_start(args, format);
    print(format, args);
    va_end(args);
}
