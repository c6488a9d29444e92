/* Entry points of the bare-metal bench: see metal.h. */
#include "layout.h"

    .intel_syntax noprefix
    .text
    .global v86_entry
/* #GP with its error code on the stack. What the monitor does not know goes on to the kernel's own handler. */
v86_entry:
    pushad
    mov eax, DATA32(0)
    mov ds, eax
    mov es, eax
    push esp
    call v86_monitor
    pop ecx
    test al, al
    popad
    jz 1f
    lea esp, [esp + 4]
    iretd
1:  jmp stub_protected + 16 * 13

    .global serial_interrupt
serial_interrupt:
    push eax
    mov al, 0x20
    out 0x20, al
    pop eax
    iretd

    .section .note.GNU-stack, "", @progbits
