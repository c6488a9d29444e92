/* Shared by the monitor_*.c files: how a command is declared and what it gets. */
#ifndef UI_MONITOR_INTERNAL_H
#define UI_MONITOR_INTERNAL_H

#include "ui/machine.h"
#include "ui/memdump.h"
#include "ui/monitor.h"

#define MONITOR_MAX_ARGS 6

struct monitor_arg {
    bool is_given;
    int64_t number;
    const char *text;
};

struct monitor_call {
    struct machine *machine;
    struct monitor *monitor;
    FILE *out;
    struct memdump_format format;             /* of a / argument */
    struct monitor_arg arg[MONITOR_MAX_ARGS]; /* in the order of the row's letters, flags included */
};

/*
 * `args` has one letter per argument: / format, l number (an expression), s word, F file name, S rest of the line; -xs
 * an option -x WORD, -xb an option -x; a ? behind a letter makes it and all later ones optional.
 */
struct monitor_command {
    const char *name;   /* "print|p": any of these */
    const char *args;   /* see above */
    const char *params; /* for people: "/fmt addr" */
    const char *help;
    void (*run)(struct monitor_call *call);
};

/* Tables end with a row without name. */
extern const struct monitor_command monitor_control_commands[]; /* monitor_control.c */
extern const struct monitor_command monitor_memory_commands[];  /* monitor_memory.c */
extern const struct monitor_command monitor_info_topics[];      /* monitor_info.c */

/* The row that answers to `name`, or NULL. */
const struct monitor_command *monitor_find(const struct monitor_command *table, const char *name, size_t len);
/* Parses `text` by `row` and runs it. */
void monitor_call_row(struct monitor_call *call, const struct monitor_command *row, const char *text,
                      const char *full_name);
/* `help` and `help info`. */
void monitor_print_help(FILE *out, const struct monitor_command *table, const char *prefix);
/* $name in expressions: registers. */
bool monitor_register(void *machine, const char *name, int64_t *value);

/* `info mem` and `info tlb` for the paging state of `mmu` (monitor_paging.c). */
struct mmu;
void monitor_print_mappings(FILE *out, struct mmu *mmu);
void monitor_print_pages(FILE *out, struct mmu *mmu);

#endif
