#!/bin/sh
# The long tests, in parts of at most an hour each; every part ends with a summary line.
#   tests/long.sh insn|decode|udmap|sanitize|debian|boots|repeat|lockstep|lockstep-boots|lockstep-bench|modes|fuzz|mutants|coverage|all
set -eu
cd "$(dirname "$0")/.."
. tests/setup.sh
part=${1:-all}

# lockstep_guests WHAT...: the guests of tests/boot/engine.sh, on both of the translator's engines
lockstep_guests() {
    for accel in jit ir; do
        for guest in "$@"; do
            tests/boot/engine.sh build/morph86 "$guest" "$accel,lockstep=on" || return 1
        done
    done
}

# in_mode ACCEL PATIENCE: every test that runs a guest, with build-modes/morph86 always in that mode; limits of time are PATIENCE times
# as long.
in_mode() {
    printf '#!/bin/sh\nexec "%s/build-modes/morph86.real" "$@" -accel %s\n' "$PWD" "$1" >build-modes/morph86
    chmod +x build-modes/morph86
    MORPH86_PATIENCE=$2 GUEST_TIMEOUT=$((240 * $2)) DOS_TIMEOUT=$((120 * $2)) ctest --test-dir build-modes --output-on-failure -j "$(nproc)" -L 'boot|guest|dos' -LE long \
        -E '^engine_|_(interp|ir|unchained|tinycache)$' || return 1
}

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
    lockstep)
        build_in build all --preset release -DMORPH86_TESTS=ON
        for engine in jit ir; do
            MORPH86_SEED=100000 MORPH86_BLOCK_INSNS=100000000 build/tests/unit/test_block_random "$engine" || fail "$engine and the interpreter differ"
        done
        lockstep_guests build/tests/guest/*.img && summary lockstep "10^8 generated instructions, and every guest image"
        ;;
    lockstep-boots)
        build_in build all --preset release -DMORPH86_TESTS=ON
        lockstep_guests 686 686-pae && summary lockstep-boots "both kernels and their sessions, instruction by instruction"
        ;;
    lockstep-bench)
        build_in build all --preset release -DMORPH86_TESTS=ON
        lockstep_guests bench && summary lockstep-bench "every program of the bench, instruction by instruction"
        ;;
    modes)
        build_in build-modes all --preset release -DMORPH86_TESTS=ON
        find build-modes -name CTestTestfile.cmake -exec sed -i 's/TIMEOUT "[0-9]*"/TIMEOUT "3600"/' {} +
        mv build-modes/morph86 build-modes/morph86.real
        in_mode jit 1 && in_mode jit,chain=off 4 && in_mode jit,cache-size=1 4 && in_mode interp 8 && in_mode ir 30 &&
            summary modes "every guest, boot and image in every mode"
        mv build-modes/morph86.real build-modes/morph86
        ;;
    fuzz)
        build_in build-asan all --preset sanitize
        tests/fuzz/long.sh build-asan && summary fuzz "10^8 accesses to devices, and every other fuzzer for long"
        ;;
    mutants) tests/mutants/run && summary mutants "every planted fault was caught" ;;
    coverage) tests/coverage.sh && summary coverage "see build-coverage/coverage.txt" ;;
    *) fail "'$1' is not a part; use insn, decode, udmap, sanitize, debian, boots, repeat, lockstep, lockstep-boots, lockstep-bench, modes, fuzz, mutants, coverage or all" ;;
    esac
}

if [ "$part" = all ]; then
    for each in insn decode udmap sanitize debian boots repeat lockstep lockstep-boots lockstep-bench modes fuzz mutants coverage; do run_part $each; done
else
    run_part "$part"
fi
