#!/bin/sh
# Every fuzzer for long, two at a time, by default under the sanitizers: tests/fuzz/long.sh [BUILD-FOLDER [ACCESSES]]
# Prints the accesses per device and how long each fuzzer took. ACCESSES (10^8) is the total to devices in process.
# FUZZ_SEED begins elsewhere. Exit status 1 if one of them found something.
set -eu
cd "$(dirname "$0")/../.."
folder=$(realpath "${1:-build-asan}")
accesses=${2:-100000000}
seed=${FUZZ_SEED:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fuzz NAME OPTION...: one fuzzer; what it says goes to a file, and whether it was content
fuzz() {
    label=$1
    shift
    begin=$(date +%s)
    status=0
    "$@" >"$work/$label" 2>&1 || status=$?
    echo "$label: status $status after $(($(date +%s) - begin)) s" >>"$work/$label"
    [ $status -eq 0 ] || touch "$work/failed"
}
fuzzers=$folder/tests/fuzz
devices() { fuzz "$1" "$fuzzers/fuzz_devices" --seed "$2" --count $((accesses / 2)) --min $((accesses / 200)) --verbose; }

first() {
    devices devices-1 "$seed"
    fuzz guest "$fuzzers/fuzz_guest" "$folder/morph86" "$fuzzers/fuzz_guest.rom" --seed "$seed" \
        --count $((accesses / 10)) --min $((accesses / 1000)) --verbose
}
second() {
    devices devices-2 $((seed + 1000000))
    fuzz decode "$fuzzers/fuzz_decode" --seed "$seed" --count $((accesses / 10))
    fuzz kernel "$fuzzers/fuzz_kernel" --seed "$seed" --count $((accesses / 1000))
    fuzz monitor "$fuzzers/fuzz_monitor" --seed "$seed" --count $((accesses / 2000))
    fuzz net "$fuzzers/fuzz_net" --seed "$seed" --count $((accesses / 200))
    fuzz options "$fuzzers/fuzz_options" --seed "$seed" --count $((accesses / 200))
}
second &
other=$!
first
wait $other
for label in devices-1 devices-2 guest decode kernel monitor net options; do
    grep -v '^seed [0-9]* stands still\|^$\|^CPU#\|^E[A-Z]*=\|^[CDEFGS]S *=\|Slirp-CRITICAL' "$work/$label" | tail -n 80
done
[ ! -e "$work/failed" ] || { echo "fuzz: failed" >&2; exit 1; }
