#!/bin/sh
# Boots a Debian i386 kernel to BusyBox, runs tests/boot/session in the guest and compares what it prints with what the same
# BusyBox prints natively on this host.
#   tests/boot/linux.sh MORPH86 686|686-pae [OPTION...]
set -eu
morph86=$(realpath "$1")
flavour=$2
shift 2
case=linux-$flavour
. "$(dirname "$0")/machine.sh"

native_session expected
timeout $((240 * patience)) "$morph86" -m 256 -nographic -no-reboot -nic none "$@" -kernel "$guests/vmlinuz-$flavour" -initrd "$guests/initrd.gz" \
    -append "console=ttyS0 quiet panic=-1 nokaslr morph86.session" </dev/null >serial 2>&1 || {
    status=$?
    tail -n 20 serial >&2
    fail "morph86 ended with status $status"
}
same_session expected
echo "$flavour: $(wc -l <seen) lines, all as on the host"
