/* The 16-bit loops of the bare-metal bench. Words 0 and 1 of DS: the result, and how often to go round. */
#include "metal.h"

#define ROUND "9: "
#define AGAIN "dec word ptr ds:[2]; jnz 9b"

/* The primes below 8192, counted; flags at 1000h. */
const struct code *loop_sieve(void)
{
    return CODE16(ROUND "cld; mov ax, 0x0101; mov cx, 4096; mov di, 0x1000; rep stosw;"
                        "xor dx, dx; mov si, 2;"
                        "1: cmp byte ptr [si+0x1000], 0; je 3f; inc dx; mov bx, si; add bx, si;"
                        "2: cmp bx, 8192; jae 3f; mov byte ptr [bx+0x1000], 0; add bx, si; jmp 2b;"
                        "3: inc si; cmp si, 8192; jb 1b;"
                        "mov ds:[0], dx;" AGAIN);
}

/* Fibonacci of 17 by near calls with BP frames. */
const struct code *loop_calls(void)
{
    return CODE16("jmp 9f;"
                  "4: push bp; mov bp, sp; mov ax, [bp+4]; cmp ax, 2; jb 5f;"
                  "dec ax; push ax; call 4b; pop cx; push ax; dec cx; push cx; call 4b; pop cx; pop cx; add ax, cx;"
                  "5: pop bp; ret;" ROUND "mov ax, 17; push ax; call 4b; pop cx; mov ds:[0], ax;" AGAIN);
}

/* 32-bit sums of 16-bit words: LODSW, ADC, MUL, XCHG, LOOP, a segment override. */
const struct code *loop_words(void)
{
    return CODE16(ROUND "cld; mov si, 0x1000; mov cx, 8192; xor bx, bx; xor di, di;"
                        "1: lodsw; add bx, ax; adc di, 0; mov dx, ax; mul bx; xchg ax, dx; xor di, dx;"
                        "add di, es:[si-2]; loop 1b;"
                        "xor di, bx; mov ds:[0], di;" AGAIN);
}

/* LES, LFS, LDS, PUSH and POP of segment registers, MOV to one, a far call (FF /3): 6 loads in each turn. */
const struct code *loop_segments(void)
{
    return CODE16(ROUND "cld; mov cx, 4000; xor ax, ax;"
                        "1: les di, ds:[16]; mov bx, cx; and bx, 254; add ax, es:[bx+di];"
                        "lfs si, ds:[20]; xor ax, fs:[bx+si]; push fs; pop es; add ax, es:[si+4];"
                        "mov dx, ds:[18]; mov gs, dx; xor ax, gs:[bx+di+8];"
                        "push ds; push ax; lds si, ds:[20]; lodsw; pop dx; add ax, dx; pop ds;"
                        ".byte 0xff, 0x1e; .word 24;"
                        "dec cx; jnz 1b; mov ds:[0], ax;" AGAIN);
}

const struct code *loop_function(void)
{
    return CODE16("rol ax, 5; retf");
}

/* Critical sections as drivers write them; the flags that PUSHF shows go into the result. */
const struct code *loop_flags(void)
{
    return CODE16(ROUND "mov cx, 4000; xor ax, ax; xor dx, dx;"
                        "1: pushf; cli; add ax, cx; adc dx, ax; popf;"
                        "sti; add dx, 0x1234; pushf; pop bx; and bx, 0x0ad5; xor ax, bx; cli; rol ax, 1;"
                        "dec cx; jnz 1b; xor ax, dx; mov ds:[0], ax;" AGAIN);
}

const struct code *loop_interrupts(void)
{
    return CODE16(ROUND "mov cx, 4000; xor ax, ax;"
                        "1: mov dx, cx; int 0x40; add ax, dx; dec cx; jnz 1b; mov ds:[0], ax;" AGAIN);
}

const struct code *loop_interrupt(void)
{
    return CODE16("push bx; mov bx, dx; rol bx, 3; xor ax, bx; pop bx; iret");
}
