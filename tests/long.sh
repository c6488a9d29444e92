#!/bin/sh
# The long tests, in parts of at most an hour each; every part ends with a summary line.
#   tests/long.sh insn|decode|udmap|sanitize|debian|boots|repeat|fuzz|mutants|coverage|all
set -eu
cd "$(dirname "$0")/.."
. tests/setup.sh
part=${1:-all}

summary() { echo "long: $1: $2"; }

run_part() {
    case $1 in
    insn)
        build_in build all --preset release -DMORPH86_TESTS=ON
        build/tests/insn/oracle --cases 1000000 --part 0/2 &
        first=$!
        build/tests/insn/oracle --cases 1000000 --part 1/2
        wait $first && summary insn "10^6 cases per form, no mismatch"
        ;;
    decode)
        build_in build all --preset release -DMORPH86_TESTS=ON
        MORPH86_DECODE_CASES=10000000 build/tests/decode/test_capstone && summary decode "10^7 byte strings"
        ;;
    udmap)
        build_in build all --preset release -DMORPH86_TESTS=ON
        MORPH86_UD_FULL=1 build/tests/insn/ud_map && summary udmap "the whole opcode map"
        ;;
    sanitize)
        build_in build-asan all --preset sanitize
        ctest --test-dir build-asan --output-on-failure -j "$(nproc)" --timeout 3600 && summary sanitize "all tests, long boots too"
        ;;
    debian)
        build_in build all --preset release -DMORPH86_TESTS=ON
        tests/boot/debian.sh build/morph86 build/tests/boot/hmp && summary debian "a whole system, written, restarted, shut down"
        ;;
    boots)
        build_in build all --preset release -DMORPH86_TESTS=ON
        tests/boot/loader.sh build/morph86 build/tests/boot/hmp memtest-pass && summary boots "a whole pass of memtest86+"
        ;;
    repeat)
        build_in build all --preset release -DMORPH86_TESTS=ON
        for i in $(seq 25); do
            tests/boot/linux.sh build/morph86 686
            tests/boot/linux.sh build/morph86 686-pae
        done
        summary repeat "50 boots, each with the session's checksums as on the host"
        ;;
    fuzz)
        build_in build-asan all --preset sanitize
        tests/fuzz/long.sh build-asan && summary fuzz "10^8 accesses to devices, and every other fuzzer for long"
        ;;
    mutants) tests/mutants/run && summary mutants "every planted fault was caught" ;;
    coverage) tests/coverage.sh && summary coverage "see build-coverage/coverage.txt" ;;
    *) fail "'$1' is not a part; use insn, decode, udmap, sanitize, debian, boots, repeat, fuzz, mutants, coverage or all" ;;
    esac
}

if [ "$part" = all ]; then
    for each in insn decode udmap sanitize debian boots repeat fuzz mutants coverage; do run_part $each; done
else
    run_part "$part"
fi
