#!/bin/sh
# Runs bare-metal images on QEMU and Bochs (and morph86 when MORPH86 names it) and prints where they disagree.
#   confirm.sh [--table FILE] IMAGE...
# The image `model` runs once more for each CPU model that QEMU and Bochs have. --table writes what docs/confirm.md lists.
# Exit status 0: both agree with the expected results, but for the deviations that the cases name.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
table=
if [ "${1:-}" = --table ]; then
    table=$2
    shift 2
fi
emulators="qemu bochs"
[ -z "${MORPH86:-}" ] || emulators="$emulators morph86"

# confirm NAME IMAGE: on every emulator, with the CPU models of the environment
confirm() {
    for emulator in $emulators; do
        echo "== $1 on $emulator"
        "$here/run.sh" "$emulator" "$2" "$work/$1.$emulator" || failed=1
        # Verdict and sentence: what the comparison is about.
        sed -E 's/^(ok|not ok|differs) ([^:]*).*/\2/' "$work/$1.$emulator" | grep -v ' passed, ' >"$work/$1.$emulator.names"
        grep -a '^differs ' "$work/$1.$emulator" || true
    done
    # Every emulator ran every case.
    for emulator in $emulators; do
        diff "$work/$1.qemu.names" "$work/$1.$emulator.names" >"$work/diff" ||
            { echo "$1: cases differ between qemu and $emulator"; head "$work/diff"; failed=1; }
    done
    names="$names $1"
}

names=
for image; do
    name=$(basename "$image" .img)
    confirm "$name" "$image"
    [ "$name" = model ] || continue
    for models in pentium:pentium pentium2:p2_klamath pentium3:p3_katmai max:p4_willamette; do
        export QEMU_CPU=${models%:*} BOCHS_CPU=${models#*:} MORPH86_CPU=${models%:*}
        confirm "$name-$QEMU_CPU" "$image"
    done
    unset QEMU_CPU BOCHS_CPU MORPH86_CPU
done
[ -z "$table" ] || (cd "$work" && "$here/confirm_table.pl" $names) >"$table"
exit $failed
