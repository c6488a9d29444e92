#!/bin/sh
# Boots a Debian i386 kernel to BusyBox, runs tests/boot/session in the guest and compares what it prints with what the same
# BusyBox prints natively on this host.
#   tests/boot/linux.sh MORPH86 686|686-pae [OPTION...]
set -eu
morph86=$(realpath "$1")
flavour=$2
shift 2
top=$(cd "$(dirname "$0")/../.." && pwd)
guests=$top/build/guests
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/native"
(cd "$work/native" && LC_ALL=C "$guests/initrd.root/bin/busybox" sh "$top/tests/boot/session" "$guests/initrd.root/bin/busybox") \
    >"$work/expected" 2>&1

timeout 240 "$morph86" -m 256 -nographic -no-reboot -nic none "$@" -kernel "$guests/vmlinuz-$flavour" -initrd "$guests/initrd.gz" \
    -append "console=ttyS0 quiet panic=-1 nokaslr morph86.session" </dev/null >"$work/serial" 2>&1 || {
    echo "morph86 ended with status $?" >&2
    tail -n 20 "$work/serial" >&2
    exit 1
}
tr -d '\r' <"$work/serial" | sed -n '/^session: begin$/,/^session: end$/p' | sed '1d;$d' >"$work/seen"
if ! cmp -s "$work/expected" "$work/seen"; then
    echo "the guest printed something else than the host:" >&2
    diff "$work/expected" "$work/seen" | head -n 20 >&2
    tail -n 5 "$work/serial" >&2
    exit 1
fi
echo "$flavour: $(wc -l <"$work/seen") lines, all as on the host"
