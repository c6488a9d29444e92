/*
 * The tables that computed jumps of translated code go through, one for each mode (backend/x86_64/x64.h).
 *
 * All begin as copies of one file in memory in which nothing is entered, so a table costs what was entered. That table
 * itself is `translated.no_jumps`: an event puts it in the place of the current one, so that the next computed jump
 * comes to C code. Any thread may do that (cpu_set_event): it clears run_ok first. The machine's thread sets the
 * current mode's table, then looks at run_ok.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "translator/internal.h"

#define TABLE_BYTES (X64_JUMP_TABLE_ENTRIES * sizeof(const void *))
#define NOTES_BYTES (X64_JUMP_TABLE_ENTRIES * sizeof(struct jump_note))
#define CHAIN_MAX   4u /* landings in one place of a table */

static void *map(size_t size_bytes, int fd)
{
    void *mapped = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_NORESERVE | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

    return mapped == MAP_FAILED ? NULL : mapped;
}

static bool fill(int fd, const void *nothing)
{
    const void **table;

    if (ftruncate(fd, TABLE_BYTES) < 0)
        return false;
    table = mmap(NULL, TABLE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (table == MAP_FAILED)
        return false;
    for (unsigned i = 0; i < X64_JUMP_TABLE_ENTRIES; i++)
        table[i] = nothing;
    munmap(table, TABLE_BYTES);
    return true;
}

bool jumps_create(struct translator *t)
{
    const int fd = memfd_create("morph86-jumps", MFD_CLOEXEC);
    bool done;

    if (fd < 0)
        return false;
    done = fill(fd, code_memory_exec(&t->memory, t->entry.lookup)) && (t->no_jumps = map(TABLE_BYTES, fd)) &&
           (t->jump_notes = map(MODES_MAX * NOTES_BYTES, -1));
    for (unsigned i = 0; i < MODES_MAX && done; i++)
        done = (t->mode[i].jump_table = map(TABLE_BYTES, fd));
    close(fd);
    if (!done)
        return false;
    for (unsigned i = 0; i < MODES_MAX; i++)
        t->mode[i].jump_note = t->jump_notes + i * X64_JUMP_TABLE_ENTRIES;
    t->cpu->translated.no_jumps = t->no_jumps;
    atomic_store(&t->cpu->translated.jump_table, t->no_jumps);
    return true;
}

void jumps_destroy(struct translator *t)
{
    t->cpu->translated.no_jumps = NULL;
    atomic_store(&t->cpu->translated.jump_table, NULL);
    for (unsigned i = 0; i < MODES_MAX; i++)
        if (t->mode[i].jump_table)
            munmap(t->mode[i].jump_table, TABLE_BYTES);
    if (t->jump_notes)
        munmap(t->jump_notes, MODES_MAX * NOTES_BYTES);
    if (t->no_jumps)
        munmap(t->no_jumps, TABLE_BYTES);
}

void jumps_clear(struct translator *t)
{
    for (uint32_t i = 0; i < t->n_modes; i++) {
        if (madvise(t->mode[i].jump_table, TABLE_BYTES, MADV_DONTNEED) < 0)
            memcpy(t->mode[i].jump_table, t->no_jumps, TABLE_BYTES);
        if (madvise(t->mode[i].jump_note, NOTES_BYTES, MADV_DONTNEED) < 0)
            memset(t->mode[i].jump_note, 0, NOTES_BYTES);
    }
}

void jumps_arm(struct translator *t)
{
    struct cpu_translated *translated = &t->cpu->translated;
    const void *table = t->mode[t->current_mode].jump_table;

    if (atomic_load_explicit(&translated->jump_table, memory_order_relaxed) == table)
        return;
    atomic_store(&translated->jump_table, table);
    if (!atomic_load(&translated->run_ok))
        atomic_store(&translated->jump_table, t->no_jumps);
}

/* What EIP leads to, as far as the tables know. */
static uint64_t code_of_eip(const struct cpu *cpu)
{
    return flat_code_at(cpu->translated.flat, cpu->seg[CS].base + cpu->eip);
}

/* Two addresses that come to one place of the table, or one address in two processes, take turns otherwise, through C
 * code each time. The block goes in front of those that are there and live, as far as CHAIN_MAX permits. It may stand
 * in other places too, whose chains then go on here; as each that is made ends, none goes round in a circle. */
static void put_in_front(const struct translator *t, struct block *block, struct block *first)
{
    struct block *const behind = block->next_landing; /* if it has stood here already */
    struct block *last = block, *next;

    for (unsigned n = 1; first && n < CHAIN_MAX; first = next) {
        next = first == block ? behind : first->next_landing;
        if (first == block || !first->alive)
            continue;
        x64_chain_landing(last->landing, first->landing);
        last->next_landing = first;
        last = first;
        n++;
    }
    x64_chain_landing(last->landing, t->entry.lookup);
    last->next_landing = NULL;
}

void jumps_enter(struct translator *t, struct block *block, bool is_computed)
{
    struct cpu *cpu = t->cpu;
    const unsigned index = x64_jump_table_index(cpu->eip);
    const struct mode_entry *mode = &t->mode[block->mode];
    struct jump_note *note = &mode->jump_note[index];

    if (t->options.no_chain)
        return;
    flat_fill_exec(&cpu->mmu, cpu->seg[CS].base + cpu->eip, cpu->view);
    if (is_computed ? block_has_landing(t, block) : block->landing != NULL) {
        put_in_front(t, block, note->first);
        note->first = block;
        mode->jump_table[index] = code_memory_exec(&t->memory, block->landing);
    }
    note->code = code_of_eip(cpu);
    note->block = block;
}

struct block *jumps_find(struct translator *t)
{
    struct cpu *cpu = t->cpu;
    const struct mode_entry *mode = &t->mode[t->current_mode];
    const struct jump_note *note = &mode->jump_note[x64_jump_table_index(cpu->eip)];
    const uint64_t code = code_of_eip(cpu);

    if (!note->block || !note->block->alive || !code || note->code != code)
        return NULL;
    if (!is_flat_code(&mode->mode) && (note->block->eip != cpu->eip || note->block->cs_limit != cpu->seg[CS].limit))
        return NULL;
    cpu->translated.page_eip = cpu->eip - (uint32_t)(note->block->address & 0xfff);
    return note->block;
}
