/*
 * The option ROM behind -kernel. SeaBIOS finds it in fw_cfg (genroms/), and boots it through its PnP header's bootstrap entry
 * vector. It fetches what kernel_loader.c prepared through the fw_cfg DMA port, then enters the kernel: a Linux setup
 * section in real mode, or a multiboot kernel in protected mode.
 *
 * Sources: "BIOS Boot Specification" 1.01 (PnP expansion header), QEMU's fw_cfg documentation (DMA interface), Linux
 * Documentation/x86/boot, "Multiboot Specification" 0.6.96. The parameter block's layout is struct rom_parameters of
 * kernel_loader.c.
 */
#define FW_CFG_DMA_HIGH  0x514
#define FW_CFG_DMA_LOW   0x518
#define TABLE_ADDRESS    0x7c00 /* where the DMA requests are run from: the ROM itself is read-only by now */
#define MMAP_ADDRESS     0x9000 /* multiboot memory map */
#define MMAP_LIMIT       0x9400
#define E820_SIGNATURE   0x534d4150
#define MULTIBOOT_LOADER 0x2badb002
#define AT(label)        (label - kernel_rom_start)

    .section .rodata
    .globl kernel_rom_start, kernel_rom_end
    .balign 16
    .code16
kernel_rom_start:
    .byte 0x55, 0xaa
    .byte (kernel_rom_end - kernel_rom_start) / 512
    lret /* initialisation entry: nothing to do */
    .org kernel_rom_start + 0x1a
    .word AT(pnp_header)

    .org kernel_rom_start + 0x20
pnp_header:
    .ascii "$PnP"
    .byte 1, 2       /* revision, length / 16 */
    .word 0          /* no further header */
    .byte 0, 0       /* reserved, checksum (kernel_loader.c) */
    .long 0          /* device id */
    .word 0          /* manufacturer string */
    .word AT(product_name)
    .byte 0, 0, 0    /* device type */
    .byte 0          /* device indicators */
    .word 0, 0       /* boot connection vector, disconnect vector */
    .word AT(boot)   /* bootstrap entry vector */
    .word 0, 0       /* reserved, static resource vector */

    .org kernel_rom_start + 0x40
parameters:
n_requests:  .word 0
mode:        .word 0 /* 0 Linux, 1 multiboot */
setup_seg:   .word 0
setup_sp:    .word 0
entry:       .long 0
info:        .long 0 /* multiboot information */
requests:    .fill 24 * 16, 1, 0

product_name:
    .asciz "morph86 -kernel"

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9a000000ffff /* 08: flat code */
    .quad 0x00cf92000000ffff /* 10: flat data */
gdt_end:
gdt_register:
    .word gdt_end - gdt - 1
gdt_base:
    .long 0

boot:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    xorw %ax, %ax
    movw %ax, %es
    movw $AT(requests), %si
    movw $TABLE_ADDRESS, %di
    movw $(24 * 16 / 2), %cx
    rep movsw
    movw AT(n_requests), %cx
    movl $TABLE_ADDRESS, %ebx
fetch:
    xorl %eax, %eax
    movw $FW_CFG_DMA_HIGH, %dx
    outl %eax, %dx
    movl %ebx, %eax
    bswapl %eax
    movw $FW_CFG_DMA_LOW, %dx
    outl %eax, %dx
wait:
    movl %es:(%bx), %eax
    bswapl %eax
    testl $1, %eax
    jnz failed
    testl %eax, %eax
    jnz wait
    addw $16, %bx
    loop fetch

    cmpw $0, AT(mode)
    jne multiboot

    movw AT(setup_seg), %ax
    movw AT(setup_sp), %dx
    movw %ax, %ss
    movzwl %dx, %esp
    movw %ax, %bx
    addw $0x20, %bx
    pushw %bx
    pushw $0
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %fs
    movw %ax, %gs
    xorl %ebx, %ebx
    lretw

failed:
    int $0x18

multiboot:
    /* The firmware's own memory map, each entry with its size in front. */
    sti
    xorl %ebx, %ebx
    movw $MMAP_ADDRESS, %di
next_range:
    movl $0xe820, %eax
    movl $E820_SIGNATURE, %edx
    movl $20, %ecx
    addw $4, %di
    int $0x15
    jc ranges_done
    cmpl $E820_SIGNATURE, %eax
    jne ranges_done
    movl $20, %es:-4(%di)
    addw $20, %di
    testl %ebx, %ebx
    jz ranges_all
    cmpw $(MMAP_LIMIT - 24), %di
    jb next_range
    jmp ranges_all
ranges_done:
    subw $4, %di
ranges_all:
    cli
    subw $MMAP_ADDRESS, %di
    movzwl %di, %edi
    /* GDTR wants a linear base: ours is wherever the ROM was put. */
    xorl %eax, %eax
    movw %cs, %ax
    shll $4, %eax
    leal AT(gdt)(%eax), %ecx
    movl %ecx, %es:TABLE_ADDRESS + 2
    movw $(gdt_end - gdt - 1), %es:TABLE_ADDRESS
    movl AT(entry), %ebp
    movl AT(info), %ebx
    addl $AT(protected), %eax
    movw $0x08, %es:TABLE_ADDRESS + 12
    movl %eax, %es:TABLE_ADDRESS + 8
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl TABLE_ADDRESS
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl *TABLE_ADDRESS + 8

    .code32
protected:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %fs
    movw %ax, %gs
    movw %ax, %ss
    movl %edi, 44(%ebx) /* mmap_length */
    movl $MULTIBOOT_LOADER, %eax
    jmp *%ebp

    .balign 512
kernel_rom_end:
    .section .note.GNU-stack, "", @progbits
