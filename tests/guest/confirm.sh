#!/bin/sh
# Runs bare-metal images on QEMU and Bochs (and morph86 when MORPH86 names it) and prints where they disagree.
#   confirm.sh IMAGE...
# Exit status 0: both agree with the expected results, but for the deviations that the cases name.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
emulators="qemu bochs"
[ -z "${MORPH86:-}" ] || emulators="$emulators morph86"
for image; do
    name=$(basename "$image" .img)
    for emulator in $emulators; do
        echo "== $name on $emulator"
        "$here/run.sh" "$emulator" "$image" "$work/$name.$emulator" || failed=1
        # Verdict and sentence: what the comparison is about.
        sed -E 's/^(ok|not ok|differs) ([^:]*).*/\2/' "$work/$name.$emulator" | grep -v ' passed, ' >"$work/$name.$emulator.names"
        grep -a '^differs ' "$work/$name.$emulator" || true
    done
    # Every emulator ran every case.
    for emulator in $emulators; do
        diff "$work/$name.qemu.names" "$work/$name.$emulator.names" >"$work/diff" ||
            { echo "$name: cases differ between qemu and $emulator"; head "$work/diff"; failed=1; }
    done
done
exit $failed
