"""Writes the body of calls/bigcode.c as assembly: code of many megabytes.

Twelve thousand functions of some 500 bytes, no two alike, each called once per unit in a scattered order; each is a run of short blocks
of arithmetic on EAX with memory accesses and forward branches.
"""
import random
import sys

FUNCTIONS = 12000


def function(number, rng):
    lines = [f"f{number}:"]
    label = 0
    size = 0
    while size < 470:
        kind = rng.randrange(8)
        constant = rng.getrandbits(31)
        offset = 4 * rng.randrange(1024)
        if kind == 0:
            lines.append(f" addl ${constant}, %eax")
            size += 5
        elif kind == 1:
            lines.append(f" xorl ${constant}, %eax")
            size += 5
        elif kind == 2:
            lines.append(f" roll ${1 + constant % 31}, %eax")
            size += 3
        elif kind == 3:
            lines.append(f" movl big_data+{offset}, %ecx\n addl %ecx, %eax")
            size += 8
        elif kind == 4:
            lines.append(f" leal {constant % 4096}(%eax,%eax,2), %eax")
            size += 7
        elif kind == 5:
            lines.append(f" imull ${constant | 1}, %eax, %edx\n xorl %edx, %eax")
            size += 8
        elif kind == 6:
            lines.append(f" movl %eax, %edx\n shrl ${1 + constant % 15}, %edx\n subl %edx, %eax")
            size += 7
        else:
            bit = 1 << rng.randrange(8)
            lines.append(f" testb ${bit}, %al\n jz 1f\n addl ${constant % 128}, %eax\n1:")
            size += 9
            label += 1
    lines.append(" ret")
    return lines


def main():
    rng = random.Random(1)
    out = [".text"]
    for number in range(FUNCTIONS):
        out += function(number, rng)
    order = list(range(FUNCTIONS))
    rng.shuffle(order)
    out += [".globl big_run", "big_run:", " movl $1, %eax"]
    out += [f" call f{number}" for number in order]
    out += [" ret", ".bss", ".balign 4", ".globl big_data", "big_data: .space 4096",
            '.section .note.GNU-stack,"",@progbits']
    sys.stdout.write("\n".join(out) + "\n")


main()
