#!/bin/sh
# Debian's installer (package debian-installer-12-netboot-i386) up to its third screen: language, location, keyboard.
#   tests/boot/installer.sh [-u] MORPH86 HMP LIKENESS CASE [OPTION...]
# CASE: frame    the kernel's driver for our card sets a graphics mode, the installer draws its own characters
#       text     the text mode that the BIOS left, the console's own font
#       serial   a terminal on the serial line
# On screens pictures are compared with tests/boot/installer/CASE-SCREEN.png, pixel by pixel, until they
# are the same. -u writes these files instead; look at them. QEMU shows the same pictures in CASE frame:
#   tests/boot/installer.sh qemu-system-i386 HMP LIKENESS frame -vga none -device VGA,edid=off
set -eu
update=
[ "$1" != -u ] || { update=yes && shift; }
morph86=$(realpath "$(command -v "$1")")
client=$(realpath "$2")
likeness=$(realpath "$3")
case=installer-$4
kind=$4
shift 4
. "$(dirname "$0")/machine.sh"
references=$top/tests/boot/installer
fetch debian-installer-12-netboot-i386
images=$pkg/debian-installer-12-netboot-i386/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386

# install APPEND OPTION...
install() {
    append=$1
    shift
    start -m 512 -kernel "$images/linux" -initrd "$images/initrd.gz" -append "$append --- quiet" "$@"
}
# looks_like SCREEN SECONDS
looks_like() {
    expected=$references/$kind-$1.png
    if [ -n "$update" ]; then
        sleep "$2" # long enough; nothing else moves
        hmp "screendump seen.png -f png" >/dev/null
        cp seen.png "$expected"
        return
    fi
    for _ in $(seq $(($2 * patience))); do
        kill -0 $machine 2>/dev/null || fail "the machine has left: $(cat err)"
        hmp "screendump seen.png -f png" >/dev/null 2>&1 || true
        [ ! -e seen.png ] || ! "$likeness" "$expected" seen.png >why || return 0
        sleep 1
    done
    mkdir -p "$top/build/tests/boot"
    cp seen.png "$top/build/tests/boot/$kind-$1.png"
    fail "the screen '$1' looks otherwise: $(cat why); see build/tests/boot/$kind-$1.png"
}

screens() {
    looks_like language 400
    hmp "sendkey down" "sendkey up" "sendkey ret" >/dev/null
    looks_like location 60
    hmp "sendkey ret" >/dev/null
    looks_like keyboard 100
}

# says WORD SECONDS: on the serial line, since we wrote last
says() {
    for _ in $(seq $(($2 * patience))); do
        ! tail -c +"$((from + 1))" serial | grep -aqF -- "$1" || return 0
        kill -0 $machine 2>/dev/null || fail "the machine has left: $(cat err)"
        sleep 1
    done
    fail "no '$1' on the serial line within $2 seconds"
}
# types TEXT
types() {
    from=$(stat -c %s serial)
    printf "%b" "$1" >&3
}

case $kind in
frame)
    install "vga=788" "$@"
    screens
    ;;
text)
    install "vga=normal nomodeset" "$@"
    screens
    # A console's characters are cells of memory, too.
    prints "Configure the keyboard" 5
    ;;
serial)
    mkfifo keys
    "$morph86" -m 512 -display none -nic none -serial stdio -monitor unix:mon,server=on,wait=off "$@" -kernel "$images/linux" \
        -initrd "$images/initrd.gz" -append "console=ttyS0 --- quiet" <keys >serial 2>err &
    machine=$!
    exec 3>keys
    from=0
    says "Select a language" 400
    says "<Enter> activates buttons" 10
    types '\r'
    says "Select your location" 60
    says "United States" 10
    types '\r'
    says "Configure the keyboard" 100
    says "American English" 10
    ;;
*) fail "is not a case of this test" ;;
esac
stop
echo "$case: ok"
