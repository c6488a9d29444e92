#!/bin/sh
# Runs the real-mode kernel, photographs its scenes, presses its keys.
#   run.sh morph86|qemu HMP PICTURE IMAGE OUT      MORPH86: the emulator under test, default build/morph86
# HMP and PICTURE are those programs. OUT gets `lines` (what the kernel said), SCENE.ppm as dumped and SCENE.canonical,
# `pictures` (a line "SHA-256 SCENE" each) and `wrong`, which is printed too.
# Exit status 0: all checks passed, scenes that must look the same do, and morph86's pictures are those of references.txt.
set -u
emulator=$1 hmp=$(realpath "$2") picture=$(realpath "$3") image=$(realpath "$4") out=$5
here=$(cd "$(dirname "$0")" && pwd)
seconds=${DOS_TIMEOUT:-120}
mkdir -p "$out"
cd "$out" || exit 2
rm -f ./*.ppm ./*.canonical pictures mon
machine=
leave() {
    [ -z "$machine" ] || kill "$machine" 2>/dev/null
    rm -f disk.img floppy.img mon
}
trap leave EXIT
fail() {
    echo "dos: $emulator: $*" >&2
    exit 1
}

cp "$image" disk.img # the kernel writes to its disk
# A floppy each of whose sectors starts with its number.
awk 'BEGIN { for (i = 0; i < 2880; i++) printf "%-511s\n", "L" i }' >floppy.img
: >e9
: >pictures

case $emulator in
morph86) program=${MORPH86:-$here/../../build/morph86} ;;
qemu) program="qemu-system-i386 -accel tcg" ;;
*) fail "not one of morph86, qemu" ;;
esac
# shellcheck disable=SC2086
timeout "$seconds" $program -m 16 -vga std -display none -nic none -serial none -boot c -debugcon file:e9 \
    -monitor unix:mon,server=on,wait=off -device isa-debug-exit,iobase=0xf4,iosize=0x4 \
    -drive file=disk.img,format=raw,if=ide,index=0,media=disk -drive file=floppy.img,format=raw,if=floppy,index=0 \
    >emulator 2>&1 </dev/null &
machine=$!
for _ in $(seq 200); do
    [ -S mon ] && break
    sleep 0.05
done
[ -S mon ] || fail "no monitor: $(cat emulator)"

# What the kernel says, one line at a time.
n=0
respond() {
    case $1 in
    scene)
        "$hmp" mon "screendump $2.ppm" >>emulator || return 1
        "$picture" "$2.ppm" ${3:+"$3"} >"$2.canonical" || return 1
        echo "$(sha256sum <"$2.canonical" | cut -d' ' -f1) $2" >>pictures
        "$hmp" mon "sendkey ret 40" >>emulator
        ;;
    key) "$hmp" mon "sendkey $2 40" >>emulator ;;
    esac
}
while :; do
    total=$(wc -l <e9)
    if [ "$total" -gt "$n" ]; then
        sed -n "$((n + 1)),${total}p" e9 >fresh
        n=$total
        while read -r verb name rest; do
            respond "$verb" "$name" "$rest" <&- || fail "the monitor failed at '$verb $name'"
        done <fresh
    elif kill -0 "$machine" 2>/dev/null; then
        sleep 0.03
    else
        break
    fi
done
status=0
wait "$machine" || status=$?
machine=
grep -aE '^(ok|not ok|scene|same|key) |^[0-9]+ passed, ' e9 >lines
rm -f fresh
: >wrong
grep -a '^not ok ' lines >>wrong
grep -a '^same ' lines >same
while read -r _ one other; do
    cmp -s "$one.canonical" "$other.canonical" || echo "$one does not look like $other" >>wrong
done <same
rm -f same
if [ "$emulator" = morph86 ]; then
    diff "$here/references.txt" pictures >differences || {
        echo "pictures differ from the references (< reference, > seen):"
        cat differences
    } >>wrong
fi
cat wrong
end=$(grep -aE '^[0-9]+ passed, [0-9]+ failed' lines) || fail "it did not end: status $status, $(tail -n 1 lines) $(tail -n 3 emulator)"
[ ! -s wrong ] || fail "$end"
[ $status -eq 1 ] || fail "$end, but exit status $status"
echo "$end, $(wc -l <pictures) pictures"
