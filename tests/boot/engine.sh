#!/bin/sh
# What the translator says of itself after real guests: that it and the interpreter did the same, or how much ran from the code cache.
#   tests/boot/engine.sh MORPH86 GUEST ACCEL
# GUEST: 686 or 686-pae boots that kernel and runs tests/boot/session, whose output has to be the host's; bench runs every Linux
# program of the bench, one unit each; a file is an image of tests/guest. ACCEL: jit,lockstep=on (or ir): no mismatch; jit,count=on: at least 99.9 % of the guest's
# instructions ran from the code cache, and which rows of the ISA table left it is printed.
# MORPH86_SOFTMMU: how guest code reaches memory, if not as by default; MORPH86_BENCH: the bench's folder, if not build/bench;
# MORPH86_PROGRAMS: names of the programs to run instead of all; MORPH86_LIMIT: seconds the machine may take (3,500).
set -eu
morph86=$(realpath "$1")
guest=$2
accel=$3
[ ! -e "$guest" ] || guest=$(realpath "$guest")
case=engine-$(basename "$guest")-$accel${MORPH86_SOFTMMU:+-$MORPH86_SOFTMMU}
. "$(dirname "$0")/machine.sh"
append="console=ttyS0 quiet panic=-1 nokaslr"

session() {
    native_session expected
    timeout "${MORPH86_LIMIT:-3500}" "$morph86" -m 256 -nographic -no-reboot -nic none -accel "$accel" ${MORPH86_SOFTMMU:+-softmmu "$MORPH86_SOFTMMU"} \
        -kernel "$guests/vmlinuz-$guest" \
        -initrd "$guests/initrd.gz" -append "$append morph86.session" </dev/null >serial 2>info || fail "morph86 ended with status $?: $(cat info)"
    same_session expected
    echo "$guest: $(wc -l <seen) lines, all as on the host"
}

# waits_for WORD N: the word has begun N lines of the serial port
waits_for() {
    until [ "$(tr -d '\r' <serial | grep -ac "^$1")" -ge "$2" ]; do
        kill -0 $machine 2>/dev/null || fail "the machine has left: $(tail -n 5 serial) $(cat info)"
        sleep 0.2
    done
}

programs() {
    folder=${MORPH86_BENCH:-$top/build/bench}
    [ -e "$folder/bench.initrd" ] || fail "the bench is not built; run tests/bench/bench --quick"
    mkfifo commands
    timeout "${MORPH86_LIMIT:-3500}" "$morph86" -m 256 -nographic -no-reboot -nic none -accel "$accel" ${MORPH86_SOFTMMU:+-softmmu "$MORPH86_SOFTMMU"} \
        -kernel "$guests/vmlinuz-686" \
        -initrd "$folder/bench.initrd" -append "$append" <commands >serial 2>info &
    machine=$!
    exec 3>commands
    waits_for @ready 1
    n=0
    for program in ${MORPH86_PROGRAMS:-$("$top/tests/bench/bench" --list | awk '$1 !~ /^(boot|modes|io)$/ { print $2 }')}; do
        echo "run $program 1" >&3
        n=$((n + 1))
        waits_for @X $n
    done
    echo quit >&3
    exec 3>&-
    wait $machine || fail "exit status $?: $(cat info)"
    machine=
    tr -d '\r' <serial | grep -a '^@X' | grep -avc '^@X 0$' >failed || true
    echo "bench: $n programs, $(cat failed) of them not there or with an error"
}

image() {
    MORPH86=$morph86 MORPH86_ACCEL=$accel GUEST_KEEP=$work/kept "$top/tests/guest/run.sh" morph86 "$guest" || fail "the image failed"
    cp kept/emulator info
}

case $guest in
bench) programs ;;
*.img) image ;;
*) session ;;
esac
case $accel in
*lockstep=on*)
    grep -a '^lockstep: ' info | tail -n 1 | fold -s -w 150
    grep -aq '^lockstep: .* compared, 0 mismatches; ' info || fail "$(head -n 60 info)"
    ;;
*count=on*)
    sed -n '/^executed: /,$p' info
    awk '/^executed: / { sub(/.*\(/, ""); found = 1; exit $1 < 99.9 } END { if (!found) exit 1 }' info ||
        fail "less than 99.9 % from the code cache"
    ;;
esac
