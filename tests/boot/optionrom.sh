#!/bin/sh
# -option-rom: the firmware runs each ROM's entry, in an order that hangs on their names as under QEMU, and boots from
# them by bootindex.
#   tests/boot/optionrom.sh MORPH86
# The ROMs are made here, byte by byte: what they print reaches port E9.
set -u
. "$(dirname "$0")/rom.sh"
morph86=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
fail() {
    echo "optionrom: $*" >&2
    exit 1
}

# make_rom FILE INIT BOOT HEX...: prints INIT when it is run and BOOT when it is booted, and then does HEX
make_rom() {
    rom=$1
    begin_rom "$rom" "$2"
    put "$rom" 0x80 be 00 01 2e ac 84 c0 74 04 e6 e9 eb f6 # mov si, 100; print
    put_text "$rom" 0x100 "$3"
    shift 3
    put "$rom" 0x8d "$@"
    end_rom "$rom"
}
# run_with OPTION...: what the guest said on port E9 but for the firmware's own log
run_with() {
    timeout 60 "$morph86" -m 16 -display none -nic none -device isa-debug-exit,iobase=0xf4,iosize=4 \
        -debugcon file:said "$@" 2>err </dev/null
    status=$?
    [ $status -eq 1 ] || fail "exit status $status with $*: $(cat err)"
    grep -a '^rom ' said
}

make_rom first.rom "rom first runs" "rom first boots" 31 c0 e7 f4 eb fe # xor ax, ax; out f4, ax
make_rom second.rom "rom second runs" "rom second boots" cd 18                # int 18: try the next one

printf 'rom second runs\nrom first runs\nrom second boots\nrom first boots\n' >expected
run_with -option-rom first.rom,bootindex=2 -option-rom second.rom,bootindex=1 >answer
diff -u expected answer >&2 || fail "the order is wrong"

printf 'rom second runs\nrom first runs\nrom first boots\n' >expected
run_with -option-rom second.rom -option-rom first.rom,bootindex=0 >answer
diff -u expected answer >&2 || fail "the index does not come before the firmware's own order"
echo "option ROMs run and boot in order"
