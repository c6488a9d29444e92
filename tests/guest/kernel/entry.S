/*
 * Into a snippet and back out of it.
 *
 * enter_protected and enter_real load every register from `in` and IRET into the snippet. Whatever event ends the snippet
 * arrives at one of the vector stubs, which save every register in `raw` and call on_event(); that either resumes the
 * interrupted code or returns from enter_*.
 *
 * A protected-mode stub uses 12 bytes of the stack it arrives on. A real-mode stub uses none.
 */
#include "layout.h"

    .intel_syntax noprefix

/* struct registers, struct raw_event: guest.h asserts the same offsets. */
#define R_EAX 0
#define R_ECX 4
#define R_EDX 8
#define R_EBX 12
#define R_ESP 16
#define R_EBP 20
#define R_ESI 24
#define R_EDI 28
#define R_EIP 32
#define R_EFLAGS 36
#define R_ES 40
#define R_CS 44
#define R_SS 48
#define R_DS 52
#define R_FS 56
#define R_GS 60
#define R_VECTOR 64
#define R_MODE 68

    .text
    .global enter_protected
/* bool enter_protected(void): to in.cs:in.eip through IRETD. The frame is built on the snippet's stack at CPL 0, else here. */
enter_protected:
    pushad
    mov dword ptr [harness_esp], esp
    test dword ptr [in + R_EFLAGS], 0x20000
    jnz to_v86
    test byte ptr [in + R_CS], 3
    jz same_ring
    push dword ptr [in + R_SS]
    push dword ptr [in + R_ESP]
    jmp 1f
to_v86:
    push dword ptr [in + R_GS]
    push dword ptr [in + R_FS]
    push dword ptr [in + R_DS]
    push dword ptr [in + R_ES]
    push dword ptr [in + R_SS]
    push dword ptr [in + R_ESP]
    jmp 2f
same_ring:
    lss esp, [in_stack]
1:  mov es, word ptr [in + R_ES]
    mov fs, word ptr [in + R_FS]
    mov gs, word ptr [in + R_GS]
2:  push dword ptr [in + R_EFLAGS]
    push dword ptr [in + R_CS]
    push dword ptr [in + R_EIP]
    mov eax, dword ptr [in + R_EAX]
    mov ecx, dword ptr [in + R_ECX]
    mov edx, dword ptr [in + R_EDX]
    mov ebx, dword ptr [in + R_EBX]
    mov ebp, dword ptr [in + R_EBP]
    mov esi, dword ptr [in + R_ESI]
    mov edi, dword ptr [in + R_EDI]
    test dword ptr [in + R_EFLAGS], 0x20000
    jnz 3f
    mov ds, word ptr [in + R_DS]
3:  iretd

/* Common end of the protected-mode stubs: the vector lies on the stack. */
common_protected:
    push eax
    push ds
    mov ax, CODE32(0) + 8
    mov ds, ax
    pop dword ptr [raw + R_DS]
    pop dword ptr [raw + R_EAX]
    pop dword ptr [raw + R_VECTOR]
    mov dword ptr [raw + R_ESP], esp
    mov word ptr [raw + R_SS], ss
    lss esp, [harness_stack]
    pushfd
    pop dword ptr [raw + R_EFLAGS]
    mov dword ptr [raw + R_MODE], 0
common_save:
    push 2
    popfd
    mov dword ptr [raw + R_ECX], ecx
    mov dword ptr [raw + R_EDX], edx
    mov dword ptr [raw + R_EBX], ebx
    mov dword ptr [raw + R_EBP], ebp
    mov dword ptr [raw + R_ESI], esi
    mov dword ptr [raw + R_EDI], edi
    mov word ptr [raw + R_ES], es
    mov word ptr [raw + R_FS], fs
    mov word ptr [raw + R_GS], gs
common_call:
    mov ax, ds
    mov es, ax
    xor eax, eax
    mov fs, ax
    mov gs, ax
    call on_event
    test eax, eax
    jnz resume
    mov esp, dword ptr [harness_esp]
    popad
    ret

/* Back to the interrupted code: on_event() has moved raw.esp past an error code. eax: 1 through IRETD, 2 through IRET, 3 in real mode. */
resume:
    cmp eax, 3
    je resume_real
    cmp eax, 2
    lss esp, [raw_stack]
    mov es, word ptr [raw + R_ES]
    mov fs, word ptr [raw + R_FS]
    mov gs, word ptr [raw + R_GS]
    mov eax, dword ptr [raw + R_EAX]
    mov ecx, dword ptr [raw + R_ECX]
    mov edx, dword ptr [raw + R_EDX]
    mov ebx, dword ptr [raw + R_EBX]
    mov ebp, dword ptr [raw + R_EBP]
    mov esi, dword ptr [raw + R_ESI]
    mov edi, dword ptr [raw + R_EDI]
    mov ds, word ptr [raw + R_DS]
    je 1f
    iretd
1:  iretw
resume_real:
    mov byte ptr [real_resume], 1
    lea esi, [raw]
    jmp to_real

    .data
    .balign 4
    .global raw_stack, in_stack
harness_esp:
    .long 0
harness_stack:
    .long HARNESS_TOP - 0x2000, DATA32(0)
raw_stack: /* raw.esp and raw.ss, kept by on_event() */
    .long 0, 0
in_stack:
    .long 0, 0

/* ---- protected-mode stubs: also reachable through 16-bit gates, so they lie in the low segment ---- */
    .section .low, "ax"
    .global stub_protected, stub_real, low_start
low_start: /* = SNIPPET_BASE */
    .code32
    .balign 16
stub_protected:
    .set vector, 0
    .rept VECTORS
    .balign 16
    push vector
    .byte 0xea /* far: the 16-bit gates come through a code segment with another base */
    .long common_protected
    .word CODE32(0)
    .set vector, vector + 1
    .endr

/* ---- real mode ---- */
    .global enter_real
    .balign 16
/* bool enter_real(void): to in.cs:in.ip in real mode, with the IDTR in real_idtr. */
enter_real:
    pushad
    mov dword ptr [harness_esp], esp
    mov byte ptr [real_resume], 0
    lea esi, [in]
to_real: /* esi: the registers */
    lea edi, [low_in]
    mov ecx, 16
    rep movsd
    jmp SEG_CODE16(0), offset 1f - low_start
    .code16
1:  mov ax, SEG_REAL_DATA
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    mov eax, cr0
    and al, 0xfe
    mov cr0, eax
    jmp SNIPPET_BASE >> 4, offset 2f - low_start
2:  lidt cs:[real_idtr - low_start]
    mov ss, word ptr cs:[low_in + R_SS - low_start]
    mov esp, dword ptr cs:[low_in + R_ESP - low_start]
    cmp byte ptr cs:[real_resume - low_start], 0
    jne 3f
    push word ptr cs:[low_in + R_EFLAGS - low_start]
    push word ptr cs:[low_in + R_CS - low_start]
    push word ptr cs:[low_in + R_EIP - low_start]
3:
    mov ds, word ptr cs:[low_in + R_DS - low_start]
    mov es, word ptr cs:[low_in + R_ES - low_start]
    mov fs, word ptr cs:[low_in + R_FS - low_start]
    mov gs, word ptr cs:[low_in + R_GS - low_start]
    mov eax, dword ptr cs:[low_in + R_EAX - low_start]
    mov ecx, dword ptr cs:[low_in + R_ECX - low_start]
    mov edx, dword ptr cs:[low_in + R_EDX - low_start]
    mov ebx, dword ptr cs:[low_in + R_EBX - low_start]
    mov ebp, dword ptr cs:[low_in + R_EBP - low_start]
    mov esi, dword ptr cs:[low_in + R_ESI - low_start]
    mov edi, dword ptr cs:[low_in + R_EDI - low_start]
    iretw

    .balign 16
stub_real:
    .set vector, 0
    .rept VECTORS
    .balign 16
    mov word ptr cs:[low_raw + R_VECTOR - low_start], vector
    jmp common_real
    .set vector, vector + 1
    .endr

common_real:
    mov dword ptr cs:[low_raw + R_EAX - low_start], eax
    mov dword ptr cs:[low_raw + R_ECX - low_start], ecx
    mov dword ptr cs:[low_raw + R_EDX - low_start], edx
    mov dword ptr cs:[low_raw + R_EBX - low_start], ebx
    mov dword ptr cs:[low_raw + R_ESP - low_start], esp
    mov dword ptr cs:[low_raw + R_EBP - low_start], ebp
    mov dword ptr cs:[low_raw + R_ESI - low_start], esi
    mov dword ptr cs:[low_raw + R_EDI - low_start], edi
    mov word ptr cs:[low_raw + R_ES - low_start], es
    mov word ptr cs:[low_raw + R_CS - low_start], cs
    mov word ptr cs:[low_raw + R_SS - low_start], ss
    mov word ptr cs:[low_raw + R_DS - low_start], ds
    mov word ptr cs:[low_raw + R_FS - low_start], fs
    mov word ptr cs:[low_raw + R_GS - low_start], gs
    mov ax, SNIPPET_BASE >> 4
    mov ss, ax
    mov sp, offset low_stack - low_start
    pushfd
    pop dword ptr cs:[low_raw + R_EFLAGS - low_start]
    lgdtd cs:[harness_gdtr - low_start]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    .byte 0x66, 0xea
    .long 1f
    .word CODE32(0)
    .code32
1:  mov ax, DATA32(0)
    mov ds, ax
    mov es, ax
    lss esp, [harness_stack]
    push 2
    popfd
    mov dword ptr [low_raw + R_MODE], 1
    lea esi, [low_raw]
    lea edi, [raw]
    mov ecx, 18
    rep movsd
    jmp common_call

    .balign 4
    .global real_idtr, harness_gdtr
    .word 0
real_idtr:
    .word 0x3ff
    .long 0
    .word 0
harness_gdtr:
    .word GDT_ENTRIES * 8 - 1
    .long gdt
    .balign 4
real_resume: /* the IRET frame lies on the stack already */
    .long 0
low_in:
    .fill 16, 4, 0
low_raw:
    .fill 18, 4, 0
    .fill 16, 4, 0
low_stack:

    .section .note.GNU-stack, "", @progbits
