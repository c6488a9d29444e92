/* Bench: segments code16_sieve -DENTRY=1
 * Bench: segments code16_calls -DENTRY=2
 * Bench: segments code16_words -DENTRY=3 not-quick
 * Programs of the real-mode kind, 16-bit code, data and stack in segments of their own: a sieve; recursion with near
 * calls and BP frames; 32-bit sums of 16-bit words by LODSW, ADC and LOOP, with MUL, XCHG and segment overrides. */
#include "ldt.h"

extern uint8_t code16_start[], code16_end[];
void code16_run(void);

/* Addresses inside the 16-bit segment are counted from its start. DS, ES and SS are one segment of 64 KiB; word 0 is
 * the result. */
__asm__(".section .code16, \"awx\", @progbits\n"
        ".balign 4096\n"
        "code16_start:\n"
        ".code16\n"
        "    cmpw $2, %ax\n"
        "    je calls\n"
        "    ja words\n"

        "sieve:\n" /* primes below 8192; flags at 1000h */
        "    cld\n"
        "    movw $0x0101, %ax\n"
        "    movw $4096, %cx\n"
        "    movw $0x1000, %di\n"
        "    rep stosw\n"
        "    xorw %dx, %dx\n"
        "    movw $2, %si\n"
        "1:  cmpb $0, 0x1000(%si)\n"
        "    je 3f\n"
        "    incw %dx\n"
        "    movw %si, %bx\n"
        "    addw %si, %bx\n"
        "2:  cmpw $8192, %bx\n"
        "    jae 3f\n"
        "    movb $0, 0x1000(%bx)\n"
        "    addw %si, %bx\n"
        "    jmp 2b\n"
        "3:  incw %si\n"
        "    cmpw $8192, %si\n"
        "    jb 1b\n"
        "    movw %dx, 0\n"
        "    lretl\n"

        "calls:\n" /* fib(17) */
        "    pushw $17\n"
        "    callw fib16\n"
        "    addw $2, %sp\n"
        "    movw %ax, 0\n"
        "    lretl\n"
        "fib16:\n"
        "    pushw %bp\n"
        "    movw %sp, %bp\n"
        "    movw 4(%bp), %ax\n"
        "    cmpw $2, %ax\n"
        "    jb 1f\n"
        "    decw %ax\n"
        "    pushw %ax\n"
        "    callw fib16\n"
        "    popw %cx\n"
        "    pushw %ax\n"
        "    decw %cx\n"
        "    pushw %cx\n"
        "    callw fib16\n"
        "    popw %cx\n"
        "    popw %cx\n"
        "    addw %cx, %ax\n"
        "1:  popw %bp\n"
        "    retw\n"

        "words:\n"
        "    cld\n"
        "    movw $0x1000, %si\n"
        "    movw $8192, %cx\n"
        "    xorw %bx, %bx\n"
        "    xorw %di, %di\n"
        "1:  lodsw\n"
        "    addw %ax, %bx\n"
        "    adcw $0, %di\n"
        "    movw %ax, %dx\n"
        "    mulw %bx\n"
        "    xchgw %ax, %dx\n"
        "    xorw %dx, %di\n"
        "    addw %es:-2(%si), %di\n"
        "    loop 1b\n"
        "    xorw %bx, %di\n"
        "    movw %di, 0\n"
        "    lretl\n"

        ".code32\n"
        "code16_end:\n"
        ".text\n"
        "code16_run:\n"
        "    pushal\n"
        "    pushl %ds\n"
        "    pushl %es\n"
        "    movl %esp, code16_saved_esp\n"
        "    movw %ss, code16_saved_ss\n"
        "    movzwl code16_data, %ecx\n"
        "    movl code16_entry, %eax\n"
        "    movl %ecx, %ds\n"
        "    movl %ecx, %es\n"
        "    movl %ecx, %ss\n"
        "    movl $0xfff0, %esp\n"
        "    lcall *%cs:code16_pointer\n"
        "    movw %cs:code16_saved_ss, %ss\n"
        "    movl %cs:code16_saved_esp, %esp\n"
        "    popl %es\n"
        "    popl %ds\n"
        "    popal\n"
        "    ret\n");

uint32_t code16_saved_esp, code16_saved_ss, code16_entry = ENTRY;
uint16_t code16_data;
struct {
    uint32_t offset;
    uint16_t selector;
} __attribute__((packed)) code16_pointer;
static uint16_t *data;

void bench_setup(void)
{
    uint32_t state = 101;

    data = map_pages(65536, PROT_READ | PROT_WRITE);
    for (int i = 0x800; i < 0x3000; i++)
        data[i] = (uint16_t)xorshift32(&state);
    code16_pointer.selector = ldt_segment(0, code16_start, (uint32_t)(code16_end - code16_start) - 1, LDT_CODE, 0);
    code16_data = ldt_segment(1, data, 65535, LDT_DATA, 0);
}

uint32_t bench_unit(void)
{
    data[0] = 0;
    code16_run();
    return data[0];
}
