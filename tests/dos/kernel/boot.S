/*
 * Boot sector and the assembly half of the real-mode kernel: loads the rest behind itself, calls BIOS services for C
 * code, catches interrupts. Everything runs in real mode with CS = DS = ES = SS = 0 and a stack below 7C00.
 */
    .code16
    .section .boot, "ax"
    .globl _start
_start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $0x7c00, %esp
    ljmp $0, $1f
1:  movb %dl, boot_drive
    sti
    movw $packet, %si
    movb $0x42, %ah
    int $0x13
    jc 2f
    xorl %eax, %eax
    movl $bss_start, %edi
    movl $bss_end, %ecx
    subl %edi, %ecx
    cld
    addr32 rep stosb
    calll dos_main
2:  movb $0x7f, %al /* reached only after a failed load */
    outb %al, $0xf4
    hlt
    jmp 2b

    .globl boot_drive
boot_drive: .byte 0
    .balign 4
packet: .byte 16, 0
    .word loaded_sectors, 0x7e00, 0
    .quad 1
    .org 510
    .word 0xaa55

    .text
/* void bios(uint8_t interrupt, struct bios_regs *regs): the INT instruction is patched, as DOS libraries do. */
    .globl bios
bios:
    pushal
    pushw %ds
    pushw %es
    movb 40(%esp), %al
    movb %al, 1f + 1
    movl 44(%esp), %ebp
    movl 0(%ebp), %eax
    movl 4(%ebp), %ebx
    movl 8(%ebp), %ecx
    movl 12(%ebp), %edx
    movl 16(%ebp), %esi
    movl 20(%ebp), %edi
    movw 28(%ebp), %es
    pushl %ebp
    movl 24(%ebp), %ebp
1:  int $0
    pushfw
    cld
    pushl %ebp
    movl 6(%esp), %ebp /* regs: below it lie the caller's frame, above it EBP and FLAGS */
    movl %eax, 0(%ebp)
    movl %ebx, 4(%ebp)
    movl %ecx, 8(%ebp)
    movl %edx, 12(%ebp)
    movl %esi, 16(%ebp)
    movl %edi, 20(%ebp)
    popl 24(%ebp)
    movw %es, 28(%ebp)
    popw 30(%ebp)
    popl %ebp
    popw %es
    popw %ds
    popal
    retl

/* Interrupt handlers: registers and segments saved, then C; the C function sends EOI or the old handler does. */
    .macro handler name, function, chain
    .globl \name
\name:
    pushal
    pushw %ds
    pushw %es
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    cld
    calll \function
    popw %es
    popw %ds
    popal
    .ifnb \chain
    ljmpw *%cs:\chain
    .else
    iretw
    .endif
    .endm

    handler timer_entry, timer_tick
    handler rtc_entry, rtc_tick
    handler keyboard_entry, keyboard_byte
    handler floppy_entry, floppy_done
    handler tick_hook_entry, user_tick, old_tick_hook

/* INT 15h AH=4Fh, keyboard intercept: remembers the scan code and lets the BIOS go on with it (carry set). */
    .globl intercept_entry
intercept_entry:
    cmpb $0x4f, %ah
    jne 1f
    movb %al, %cs:last_scan_code
    incw %cs:n_scan_codes
    pushw %bp
    movw %sp, %bp
    orw $1, 6(%bp)
    popw %bp
    iretw
1:  ljmpw *%cs:old_int15

    .globl old_int15, old_tick_hook, last_scan_code, n_scan_codes
    .balign 4
old_int15: .long 0
old_tick_hook: .long 0
n_scan_codes: .word 0
last_scan_code: .byte 0

/* void load_flat_fs(void): unreal mode, FS covers 4 GiB until somebody reloads it in protected mode. */
    .globl load_flat_fs
load_flat_fs:
    pushfw
    cli
    pushw %ax
    pushl %ebx
    lgdtl flat_gdtr
    movl %cr0, %ebx
    movl %ebx, %eax
    orb $1, %al
    pushl %eax
    movl %eax, %cr0
    jmp 1f
1:  movw $8, %ax
    movw %ax, %fs
    movl %ebx, %cr0
    jmp 2f
2:  xorw %ax, %ax
    movw %ax, %fs /* real mode: the base becomes 0, the limit stays */
    popl %eax
    popl %ebx
    popw %ax
    popfw
    retl

    .balign 8
flat_gdt: .quad 0, 0x00cf92000000ffff
flat_gdtr: .word 15
    .long flat_gdt

/* Self-modifying code: each returns what the patched instructions computed. */
    .globl smc_next_immediate, smc_flip_opcode, smc_jump_target, smc_own_string, smc_alias
smc_next_immediate: /* patches the instruction right behind the store, with no jump between */
    movb $0x22, 1f + 1
1:  movb $0x11, %al
    movzbl %al, %eax
    retl

smc_flip_opcode: /* INC and DEC by turns: XOR 8 changes one into the other (40 and 48) */
    xorl %eax, %eax
    movl $100, %ecx
    movw $0, 3f
1:  xorb $0x08, 2f
2:  incw %ax
    addw %ax, 3f
    loopl 1b
    movzwl 3f, %eax
    retl
3:  .word 0

smc_jump_target: /* a short jump whose displacement walks through a table of code */
    xorl %eax, %eax
    xorl %ecx, %ecx
1:  movb %cl, 2f + 1
2:  jmp 3f
3:  incw %ax
    incw %ax
    incw %ax
    incw %ax
    incw %ax
    incl %ecx
    cmpb $5, %cl
    jb 1b
    retl

smc_own_string: /* REP STOSB writes over instructions ahead of itself: they become INC AX (40) */
    movl $1f, %edi
    movl $6, %ecx
    movw $0x0040, %ax
    addr32 rep stosb
    xorw %ax, %ax
1:  .fill 6, 1, 0x90
    movzwl %ax, %eax
    retl

smc_alias: /* the store goes through another segment that names the same linear address */
    pushw %gs
    movw $0x0100, %ax
    movw %ax, %gs
    movb $0x77, %gs:1f + 1 - 0x1000
1:  movb $0x11, %al
    popw %gs
    movzbl %al, %eax
    retl
    .section .note.GNU-stack, "", @progbits
