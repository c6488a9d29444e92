#!/bin/sh
# Line coverage per file by the unit, instruction, guest and fuzz tests (not by real systems that boot). Prints a table and at the end
# the files below 90 %; build-coverage/coverage.md is the table of docs/coverage.md.
#   tests/coverage.sh
set -eu
cd "$(dirname "$0")/.."
. tests/setup.sh
build_in build-coverage all --preset coverage
find build-coverage -name '*.gcda' -delete
# Without those that judge by the clock: instrumented code is several times slower.
ctest --test-dir build-coverage -LE 'boot|long' -E 'fuzz_devices|test_hostile' -j "$(nproc)" >build-coverage/ctest.log 2>&1 ||
    echo "coverage: some tests failed; see build-coverage/ctest.log" >&2
find build-coverage -name '*.gcda' | grep -E '/(hw|softmmu|frontend|translator|backend|ui)/' | while read -r data; do
    gcov --no-output --relative-only --source-prefix "$PWD" --object-directory "$(dirname "$data")" "$data" 2>/dev/null || true
done | awk '
    /^File/ { file = substr($2, 2, length($2) - 2) }
    /^Lines executed:/ && file ~ /^(hw|softmmu|frontend|translator|backend|ui)\/.*\.c$/ {
        split($0, part, /[:% ]+/)
        if (part[3] + 0 >= best[file] + 0) { best[file] = part[3]; lines[file] = part[5] }
    }
    END {
        for (f in best) printf "%6.1f %% of %4d  %s\n", best[f], lines[f], f
    }' | sort -k5 | tee build-coverage/coverage.txt
{
    printf '| file | lines | covered |\n|---|---|---|\n'
    awk '{ printf "| `%s` | %d | %.1f %% |\n", $5, $4, $1 }' build-coverage/coverage.txt
} >build-coverage/coverage.md
echo
echo "below 90 %:"
awk '$1 < 90' build-coverage/coverage.txt
