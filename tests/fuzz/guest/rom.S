/*
 * A 64 KiB firmware image that is nothing but a hostile guest: from the reset vector to flat protected mode, then
 * guest_main(). Code, tables and constants stay in ROM below 4 GiB, where DMA cannot reach them; only stack and counters
 * are in RAM. The image's first 16 bytes are "FUZZSEED" and the seed, which the driver writes.
 */
#define HANDLERS 0xe000 /* offset of 256 interrupt entries of 16 bytes each */

        .section .note.GNU-stack, "", @progbits
        .section .head, "a"
        .ascii "FUZZSEED"
        .globl rom_seed
rom_seed:
        .quad 0

        .section .reset, "ax"
        .code16
        .globl reset
reset:  jmp start16
        .org 16

        .section .text16, "ax"
        .code16
start16:
        cli
        cld
        lgdtl %cs:(gdt_pointer - start16 + 16)
        lidtl %cs:(idt_pointer - start16 + 16)
        movl %cr0, %eax
        orl $1, %eax
        andl $~0x60000000, %eax
        movl %eax, %cr0
        ljmpl $8, $start32

        .code32
        .globl start32
start32:
        movl $16, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %fs
        movl %eax, %gs
        movl %eax, %ss
        movl $0x70000, %esp
        movl $0xaa0f, 0x38000 /* RSM where an SMI enters */
        pushl $0
        popfl
        call guest_main
1:      jmp 1b

        .balign 8
gdt:    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
        .word 23
        .long gdt
idt_pointer:
        .word 256 * 8 - 1
        .long idt

        .balign 8
idt:    .set vector, 0
        .rept 256
        .word HANDLERS + vector * 16, 8, 0x8e00, 0xffff
        .set vector, vector + 1
        .endr

/* A fault means that something trampled on stack or tables: begin again. Interrupts end. */
handled:
        cmpl $32, (%esp)
        jae 1f
        cmpl $2, (%esp)
        jne start32
1:      pushl %eax
        incl 0x60ff0 /* interrupts taken */
        movb $0x20, %al
        outb %al, $0x20
        outb %al, $0xa0
        movl $0, 0xfee000b0
        popl %eax
        addl $4, %esp
        iretl

        .section .handlers, "ax"
        .set vector, 0
        .rept 256
        .balign 16
        pushl $vector
        jmp handled
        .set vector, vector + 1
        .endr
