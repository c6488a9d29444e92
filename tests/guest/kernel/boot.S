/*
 * Boot sector: reads the rest of the image to 1000:0000 and on through INT 13h function 42h, opens A20, enters flat
 * 32-bit protected mode at KERNEL_BASE.
 */
#include "layout.h"

    .intel_syntax noprefix
    .section .boot, "ax"
    .code16
    .global boot
boot:
    cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    jmp 0, offset 1f
1:  mov word ptr [boot_left], offset kernel_sectors
next_chunk:
    mov ax, word ptr [boot_left]
    test ax, ax
    jz loaded
    cmp ax, 32
    jbe 2f
    mov ax, 32
2:  mov word ptr [packet_count], ax
    sub word ptr [boot_left], ax
    mov ah, 0x42
    lea si, [packet]
    push dx
    int 0x13
    pop dx
    jc failed
    add word ptr [packet_segment], 32 * 512 / 16
    add word ptr [packet_lba], 32
    jmp next_chunk
failed:
    lea si, [message]
3:  lodsb
    test al, al
    jz 4f
    out 0xe9, al
    jmp 3b
4:  mov al, 0x7f
    out 0xf4, al
    hlt
loaded:
    in al, 0x92
    or al, 2
    and al, 0xfe
    out 0x92, al
    lgdt [boot_gdtr]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    .byte 0x66, 0xea
    .long boot32
    .word 8

    .code32
boot32:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    mov esp, HARNESS_TOP
    mov edi, offset bss_start
    mov ecx, offset bss_end
    sub ecx, edi
    xor eax, eax
    cld
    rep stosb
    call guest_main
5:  hlt
    jmp 5b

    .balign 4
packet:
    .byte 16, 0
packet_count:
    .word 0
    .word 0
packet_segment:
    .word SNIPPET_BASE >> 4
packet_lba:
    .quad (SNIPPET_BASE - 0x7c00) / 512
boot_left:
    .word 0
boot_gdtr:
    .word 23
    .long boot_gdt
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00cf9a000000ffff
    .quad 0x00cf92000000ffff
message:
    .asciz "not ok boot sector: disk error\n"
    .org boot + 510
    .word 0xaa55

    .section .note.GNU-stack, "", @progbits
