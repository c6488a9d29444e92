# Sourced by the scripts that drive one machine by its monitor. They set morph86 and client (the program hmp), as absolute names, and
# case, the name of the test; then they are in a new folder of their own, which is removed at the end, and so is the machine.
top=$(cd "$(dirname "$0")/../.." && pwd)
guests=$top/build/guests
pkg=$guests/pkg
work=$(mktemp -d)
machine=
patience=${MORPH86_PATIENCE:-1} # limits of time are so many times as long
cleanup() {
    [ -z "$machine" ] || kill "$machine" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
cd "$work"

fail() {
    echo "$case: $*" >&2
    exit 1
}
fetch() { "$top/tests/boot/guests.sh" "$@"; }
need() { command -v "$1" >/dev/null || fail "$1 is missing; run ./check, which installs what the tests need"; }

hmp() { "$client" mon "$@"; }
screen() { hmp "info screen" 2>/dev/null || true; }
# start OPTION...: a machine without a window; its serial line goes to ./serial, its monitor is ./mon
start() {
    : >serial
    rm -f mon
    "$morph86" -m 64 -display none -nic none -serial file:serial -monitor unix:mon,server=on,wait=off "$@" 2>err &
    machine=$!
}
# prints WORD SECONDS: the serial line or the screen shows the word in time
prints() {
    for _ in $(seq $(($2 * 2 * patience))); do
        if tr -d '\r' <serial | grep -aqF -- "$1" || screen | grep -qF -- "$1"; then
            return
        fi
        kill -0 $machine 2>/dev/null || fail "the machine has left: $(cat err)"
        sleep 0.5
    done
    screen >&2
    tail -n 5 serial >&2
    fail "no '$1' within $2 seconds"
}
# leaves SECONDS: the machine ends by itself, with status 0, in time
leaves() {
    for _ in $(seq $(($1 * patience))); do
        if ! kill -0 $machine 2>/dev/null; then
            wait $machine || fail "exit status $?: $(cat err)"
            machine=
            return
        fi
        sleep 1
    done
    tail -n 5 serial >&2
    fail "still running after $1 seconds"
}
stop() {
    hmp quit >/dev/null || true
    wait $machine || fail "exit status $?: $(cat err)"
    machine=
}
# native_session FILE: what tests/boot/session prints on this host
native_session() {
    mkdir native
    (cd native && LC_ALL=C "$guests/initrd.root/bin/busybox" sh "$top/tests/boot/session" "$guests/initrd.root/bin/busybox") >"$1" 2>&1
}
# same_session FILE: the guest printed that, too; ./seen has it
same_session() {
    tr -d '\r' <serial | sed -n '/^session: begin$/,/^session: end$/p' | sed '1d;$d' >seen
    if ! diff "$1" seen >differences; then
        head -n 20 differences >&2
        tail -n 5 serial >&2
        fail "the guest printed something else than the host"
    fi
}
