/* Memory for translated code: one memfd mapped twice, for writing and for executing, so no page is ever both. */
#ifndef TRANSLATOR_CACHE_H
#define TRANSLATOR_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct code_memory {
    uint8_t *write;      /* where code is written and patched */
    const uint8_t *exec; /* the same bytes, where they are executed */
    size_t size_bytes;
};

/* False with errno set on failure. */
bool code_memory_create(struct code_memory *memory, size_t size_bytes);
void code_memory_destroy(struct code_memory *memory);
/* Has the host bring the memory behind `*ready` in, for both uses, and moves that on. One page fault after the other
 * would take several times as long. */
void code_memory_bring_in(const struct code_memory *memory, uint8_t **ready);

static inline const void *code_memory_exec(const struct code_memory *memory, const uint8_t *written)
{
    return memory->exec + (written - memory->write);
}
static inline uint8_t *code_memory_write(const struct code_memory *memory, const uint8_t *executed)
{
    return memory->write + (executed - memory->exec);
}

#endif
