/* Assembly text for people: the log's in_asm and the monitor's x/i. */
#ifndef FRONTEND_X86_ANNOTATE_H
#define FRONTEND_X86_ANNOTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Writes one instruction at `bytes` as text in Intel's syntax ("mov eax, dword ptr [ebx + 4]") into `out`, always
 * terminated and truncated to `size` (> 0). `eip` is where the instruction lies, so that branch targets are absolute.
 * Returns the bytes it covers, 1..15; 0 if `bytes` is cut off or no instruction, and then the text is "(bad)".
 */
size_t annotate_disassemble(const uint8_t *bytes, size_t len, uint32_t eip, bool code32, char *out, size_t size);

#endif
