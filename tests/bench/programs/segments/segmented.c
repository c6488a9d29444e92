/* Bench: segments segment_loads -DLOADS
 * Bench: segments segment_bases
 * 32-bit code of the large model: far pointers (LES, LFS), segment registers loaded, pushed and popped, far calls; and
 * loops over arrays in segments whose base is not 0, where no segment register changes. */
#include "ldt.h"

uint32_t loads_run(uint32_t passes);
uint32_t bases_run(uint32_t passes);

struct far_pointer {
    uint32_t offset;
    uint16_t selector;
} __attribute__((packed));
struct far_pointer seg_near_data, seg_far_data, seg_far_code;

__asm__(".text\n"
        "loads_run:\n"
        "    pushl %esi\n"
        "    pushl %edi\n"
        "    pushl %es\n"
        "    movl 16(%esp), %ecx\n"
        "    xorl %eax, %eax\n"
        "1:  les seg_near_data, %edi\n"
        "    addl %es:(%edi,%ecx,4), %eax\n"
        "    lfs seg_far_data, %esi\n"
        "    xorl %fs:(%esi,%ecx,4), %eax\n"
        "    pushl %fs\n"
        "    popl %es\n"
        "    addl %es:4(%esi), %eax\n"
        "    movzwl seg_near_data+4, %edx\n"
        "    movl %edx, %gs\n"
        "    xorl %gs:8(%edi), %eax\n"
        "    lcall *seg_far_code\n"
        "    decl %ecx\n"
        "    jnz 1b\n"
        "    xorl %edx, %edx\n"
        "    movl %edx, %fs\n"
        "    movl %edx, %gs\n"
        "    popl %es\n"
        "    popl %edi\n"
        "    popl %esi\n"
        "    ret\n"
        "loads_far_function:\n"
        "    roll $5, %eax\n"
        "    lret\n"
        "bases_run:\n"
        "    movl 4(%esp), %ecx\n"
        "    movzwl seg_near_data+4, %edx\n"
        "    movl %edx, %fs\n"
        "    movzwl seg_far_data+4, %edx\n"
        "    movl %edx, %gs\n"
        "    xorl %eax, %eax\n"
        "1:  addl %fs:(,%ecx,4), %eax\n"
        "    xorl %gs:4(,%ecx,4), %eax\n"
        "    roll $3, %eax\n"
        "    movl %eax, %gs:8192(,%ecx,4)\n"
        "    decl %ecx\n"
        "    jnz 1b\n"
        "    xorl %edx, %edx\n"
        "    movl %edx, %fs\n"
        "    movl %edx, %gs\n"
        "    ret\n");

extern uint8_t loads_far_function[];

void bench_setup(void)
{
    uint32_t state = 111, *data = map_pages(65536, PROT_READ | PROT_WRITE);

    for (int i = 0; i < 4096; i++)
        data[i] = xorshift32(&state);
    seg_near_data = (struct far_pointer){0, ldt_segment(0, data, 16383, LDT_DATA, 1)};
    seg_far_data = (struct far_pointer){16, ldt_segment(1, data + 4096 / 4, 32767, LDT_DATA, 1)};
    seg_far_code = (struct far_pointer){(uint32_t)(uintptr_t)loads_far_function, ldt_flat(2, LDT_CODE)};
}

uint32_t bench_unit(void)
{
#ifdef LOADS
    return loads_run(1000);
#else
    return bases_run(2000);
#endif
}
