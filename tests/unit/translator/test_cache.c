/* Memory for translated code: one mapping writes, the other executes, and neither does both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "translator/cache.h"

enum { BYTES = 256 << 10 };

/* The rights of the mapping that holds `address`, as the kernel prints them. */
static void rights_of(const void *address, char rights[5])
{
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long first, last;
    char line[512];

    assert_non_null(maps);
    strcpy(rights, "none");
    while (fgets(line, sizeof line, maps)) {
        char found[5];

        if (sscanf(line, "%lx-%lx %4s", &first, &last, found) == 3 && (uintptr_t)address >= first &&
            (uintptr_t)address < last)
            strcpy(rights, found);
    }
    fclose(maps);
}

static void what_is_written_at_one_address_is_executed_at_the_other(void **state)
{
    struct code_memory memory;
    const uint8_t code[] = {0xb8, 0x2a, 0x00, 0x00, 0x00, 0xc3}; /* mov eax, 42; ret */
    int (*function)(void);

    assert_true(code_memory_create(&memory, BYTES));
    for (unsigned at = 0; at < BYTES; at += BYTES / 4) {
        memcpy(memory.write + at, code, sizeof code);
        function = (int (*)(void))(uintptr_t)code_memory_exec(&memory, memory.write + at);
        assert_int_equal(function(), 42);
        memory.write[at + 1] = 43; /* patched in place */
        assert_int_equal(function(), 43);
    }
    assert_int_equal(memory.size_bytes, BYTES);
    code_memory_destroy(&memory);
}

static void no_page_is_writable_and_executable(void **state)
{
    struct code_memory memory;
    char rights[5];

    assert_true(code_memory_create(&memory, BYTES));
    for (unsigned at = 0; at < BYTES; at += BYTES - 1) {
        rights_of(memory.write + at, rights);
        assert_string_equal(rights, "rw-s");
        rights_of(memory.exec + at, rights);
        assert_string_equal(rights, "r-xs");
    }
    code_memory_destroy(&memory);
}

static void addresses_translate_both_ways(void **state)
{
    struct code_memory memory;

    assert_true(code_memory_create(&memory, BYTES));
    for (unsigned at = 0; at < BYTES; at += 4099) {
        const uint8_t *exec = code_memory_exec(&memory, memory.write + at);

        assert_ptr_equal(exec, memory.exec + at);
        assert_ptr_equal(code_memory_write(&memory, exec), memory.write + at);
    }
    code_memory_destroy(&memory);
}

static void destroying_gives_both_mappings_back(void **state)
{
    struct code_memory memory, old;
    char rights[5];

    assert_true(code_memory_create(&memory, BYTES));
    old = memory;
    code_memory_destroy(&memory);
    assert_null(memory.write);
    rights_of(old.write, rights);
    assert_string_not_equal(rights, "rw-s");
    rights_of(old.exec, rights);
    assert_string_not_equal(rights, "r-xs");
    code_memory_destroy(&memory); /* twice does no harm */
}

static void a_size_that_the_host_refuses_is_reported(void **state)
{
    struct code_memory memory = {0};

    assert_false(code_memory_create(&memory, (size_t)1 << 62));
    assert_null(memory.write);
}

static void two_memories_are_apart(void **state)
{
    struct code_memory a, b;

    assert_true(code_memory_create(&a, BYTES));
    assert_true(code_memory_create(&b, BYTES));
    memset(a.write, 0x11, BYTES);
    memset(b.write, 0x22, BYTES);
    assert_int_equal(a.exec[BYTES - 1], 0x11);
    assert_int_equal(b.exec[BYTES - 1], 0x22);
    code_memory_destroy(&a);
    assert_int_equal(b.exec[0], 0x22);
    code_memory_destroy(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_at_one_address_is_executed_at_the_other),
        cmocka_unit_test(no_page_is_writable_and_executable),
        cmocka_unit_test(addresses_translate_both_ways),
        cmocka_unit_test(destroying_gives_both_mappings_back),
        cmocka_unit_test(a_size_that_the_host_refuses_is_reported),
        cmocka_unit_test(two_memories_are_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
