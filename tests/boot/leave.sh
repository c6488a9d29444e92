#!/bin/sh
# How a guest's machine ends: powered off by ACPI, or reset.
#   tests/boot/leave.sh MORPH86 poweroff|reset|reboot 686|686-pae [OPTION...]
# poweroff, reset: Linux leaves so under -no-reboot, and morph86 ends with status 0
# reboot: without -no-reboot a reset boots the guest again
set -eu
morph86=$(realpath "$1")
way=$2
flavour=$3
shift 3
guests=$(cd "$(dirname "$0")/../.." && pwd)/build/guests
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

expect() {
    grep -q -- "$1" "$work/serial" || {
        echo "$way: the guest did not print '$1'" >&2
        tail -n 20 "$work/serial" >&2
        exit 1
    }
}

case $way in
poweroff) word=exit said='reboot: Power down' ;;
*) word=reset said='reboot: Restarting system' ;;
esac
set -- timeout $((240 * ${MORPH86_PATIENCE:-1})) "$morph86" -m 256 -nographic -nic none "$@" -kernel "$guests/vmlinuz-$flavour" -initrd "$guests/initrd.gz" \
    -append "console=ttyS0 quiet panic=-1 nokaslr morph86.$word"

case $way in
poweroff | reset)
    "$@" -no-reboot </dev/null >"$work/serial" 2>&1 || {
        echo "$way: morph86 ended with status $?" >&2
        tail -n 20 "$work/serial" >&2
        exit 1
    }
    expect "$said"
    ;;
reboot)
    : >"$work/serial" # it is looked at before the guest may have begun
    "$@" </dev/null >>"$work/serial" 2>&1 &
    boot=$!
    seconds=0
    while [ "$(grep -c 'morph86: leaving' "$work/serial")" -lt 2 ] && [ $seconds -lt 230 ] && kill -0 $boot 2>/dev/null; do
        sleep 1
        seconds=$((seconds + 1))
    done
    kill $boot 2>/dev/null || true
    wait $boot || true
    [ "$(grep -c 'morph86: leaving' "$work/serial")" -ge 2 ] || {
        echo "reboot: the guest did not come up a second time" >&2
        tail -n 20 "$work/serial" >&2
        exit 1
    }
    ;;
esac
echo "$flavour: $way as it should"
