#!/bin/sh
# Drives machines through their monitors: SeaBIOS to the end of its boot, a guest that runs JMP $, the shared terminal.
#   tests/boot/monitor.sh MORPH86 HMP
set -u
morph86=$(realpath "$1")
client=$(realpath "$2")
work=$(mktemp -d)
machine=
cleanup() {
    [ -z "$machine" ] || kill "$machine" 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT
cd "$work" || exit 1

fail() {
    echo "monitor: $*" >&2
    exit 1
}
hmp() { "$client" mon "$@" || fail "the monitor did not answer '$*'"; }

# start OPTION...: a headless machine whose monitor listens at ./mon
start() {
    "$morph86" -m 16 -display none -nic none -monitor unix:mon,server=on,wait=off "$@" 2>err &
    machine=$!
    for _ in $(seq 100); do
        [ -S mon ] && return
        sleep 0.1
    done
    fail "the monitor's socket did not appear: $(cat err)"
}
# ended STATUS: the machine has left by itself, with this status, and taken its socket along
ended() {
    wait "$machine"
    status=$?
    machine=
    [ $status -eq "$1" ] || fail "exit status $status instead of $1: $(cat err)"
    [ ! -e mon ] || fail "the socket is still there"
}
# eventually WORD COMMAND: the answer contains WORD, within half a minute
eventually() {
    for _ in $(seq 150); do
        hmp "$2" | grep -qF -- "$1" && return
        sleep 0.2
    done
    fail "'$2' never said '$1': $(hmp "$2")"
}
# answers WORD COMMAND: it does at once
answers() {
    hmp "$2" >answer
    grep -qF -- "$1" answer || fail "'$2' said '$(cat answer)', not '$1'"
}

# ---- SeaBIOS ----
start
eventually "No bootable device" "info screen"
# The same by hand: character cells at B8000, "SeaB" in the first row.
answers "'S' '\\x07' 'e' '\\x07' 'a' '\\x07' 'B'" "xp/7c 0xb8000"
answers "VM status: running" "info status"
answers "EIP=" "info registers"
answers "1234:1111" "info pci"
answers " 0: " "info irq"
answers "translated: " "info jit"

# Time stands still while stopped: the BIOS counts ticks at 46C.
hmp stop
answers "VM status: paused" "info status"
before=$(hmp "xp/1xw 0x46c")
sleep 0.5
[ "$(hmp "xp/1xw 0x46c")" = "$before" ] || fail "ticks go on while stopped"
hmp cont
sleep 0.5
[ "$(hmp "xp/1xw 0x46c")" != "$before" ] || fail "ticks do not go on after cont"

# Keys reach the BIOS's buffer at 41E: scan code and character.
hmp "sendkey a" "sendkey shift-b" "sendkey ctrl-c 20"
eventually "0x1e61 0x3042 0x2e03" "xp/3xh 0x41e"

# Pictures in both formats: 720 x 400 pixels, the same ones, not all black.
hmp "screendump shot.ppm" "screendump shot.png"
[ "$(head -c 15 shot.ppm)" = "$(printf 'P6\n720 400\n255')" ] || fail "screendump wrote no PPM of 720 x 400"
[ "$(od -A n -t x1 -N 4 shot.png | tr -d ' ')" = 89504e47 ] || fail "screendump wrote no PNG"
[ "$(tail -c +16 shot.ppm | tr -d '\0' | wc -c)" -gt 1000 ] || fail "the picture is black"

# The ROM at F0000 in memory and in a file are the same bytes.
hmp "pmemsave 0xffff0 16 \"$work/vector\""
[ "$(od -A n -t x1 -N 8 vector)" = " $(hmp "xp/8xb 0xffff0" | sed 's/^[^ ]* //; s/0x//g')" ] || fail "pmemsave and xp differ"

hmp system_reset
sleep 0.2
eventually "No bootable device" "info screen"
hmp quit >/dev/null
ended 0

# ---- before the first instruction, and a reset that ends the machine ----
start -S -no-reboot
answers "VM status: paused" "info status"
answers "EIP=0000fff0" "info registers"
answers "0xfffffff0:  ea 5b e0 00 f0" "x/1i \$pc"
hmp cont
eventually "SeaBIOS" "info screen"
hmp system_reset >/dev/null
ended 0

# ---- a guest that does nothing but JMP \$: 100 ms for an answer ----
head -c 65520 /dev/zero >jmp.rom
printf '\353\376\0\0\0\0\0\0\0\0\0\0\0\0\0\0' >>jmp.rom
start -bios jmp.rom -vga none
answers "EIP=0000fff0" "info registers"
for try in 1 2 3; do # a host that is busy elsewhere may be late once
    "$client" -l 100 mon "info registers" "info pci" "info status" "x/16xw 0" "info mtree" stop cont "info pic" \
        >/dev/null 2>late && break
    [ $try != 3 ] || fail "$(cat late)"
done
# Many clients, one after the other, and one that leaves in the middle of a line.
for _ in $(seq 20); do hmp "info status" >/dev/null; done
kill $machine
ended 0

# ---- one terminal for a serial line and the monitor ----
(sleep 1; printf '\001cinfo status\nquit\n'; sleep 5) | timeout 20 "$morph86" -m 16 -nographic -nic none >out 2>err ||
    fail "the shared terminal did not leave: $(cat err)"
grep -q "VM status: running" out || fail "Ctrl-A c did not reach the monitor: $(cat out)"
# Commands from a file.
printf 'info version\nquit\n' >commands
timeout 20 "$morph86" -m 16 -display none -nic none -monitor stdio <commands >out 2>err || fail "-monitor stdio: $(cat err)"
grep -q "morph86" out || fail "-monitor stdio did not answer: $(cat out)"

# ---- no display to be had: one line, and the machine runs ----
(unset DISPLAY WAYLAND_DISPLAY SDL_VIDEODRIVER
printf 'quit\n' | timeout 20 "$morph86" -m 16 -nic none -monitor stdio >out 2>err) || fail "no machine without a display: $(cat err)"
[ "$(wc -l <err)" -eq 1 ] && grep -q "no display" err || fail "without a display it said: $(cat err)"
printf 'quit\n' | timeout 20 "$morph86" -m 16 -nic none -display none -monitor stdio >out 2>err
[ ! -s err ] || fail "-display none said: $(cat err)"
echo "monitors answer"
