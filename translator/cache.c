/* Memory for translated code. See cache.h. */
#define _GNU_SOURCE
#include "translator/cache.h"

#include <sys/mman.h>
#include <unistd.h>

bool code_memory_create(struct code_memory *memory, size_t size_bytes)
{
    int fd = memfd_create("morph86-code", MFD_CLOEXEC);
    void *write, *exec;

    if (fd < 0)
        return false;
    if (ftruncate(fd, (off_t)size_bytes) < 0)
        goto fail;
    write = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (write == MAP_FAILED)
        goto fail;
    exec = mmap(NULL, size_bytes, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    if (exec == MAP_FAILED) {
        munmap(write, size_bytes);
        goto fail;
    }
    close(fd);
    *memory = (struct code_memory){write, exec, size_bytes};
    return true;
fail:
    close(fd);
    return false;
}

#define PIECE_BYTES ((size_t)256 << 10)

void code_memory_bring_in(const struct code_memory *memory, uint8_t **ready)
{
    const size_t done = (size_t)(*ready - memory->write), left = memory->size_bytes - done,
                 bytes = left < PIECE_BYTES ? left : PIECE_BYTES;

    /* Where the host cannot, page faults do the same. */
    if (madvise(*ready, bytes, MADV_POPULATE_WRITE) == 0)
        madvise((void *)(uintptr_t)code_memory_exec(memory, *ready), bytes, MADV_POPULATE_READ);
    *ready += bytes;
}

void code_memory_destroy(struct code_memory *memory)
{
    if (!memory->write)
        return;
    munmap(memory->write, memory->size_bytes);
    munmap((void *)(uintptr_t)memory->exec, memory->size_bytes);
    memory->write = NULL;
}
