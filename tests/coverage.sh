#!/bin/sh
# Line coverage per file of chips and of the processor's system side, by the unit, instruction and guest tests. Prints a table, and
# the files below 90 % at the end.
#   tests/coverage.sh
set -eu
cd "$(dirname "$0")/.."
. tests/setup.sh
build_in build-coverage all --preset coverage
find build-coverage -name '*.gcda' -delete
ctest --test-dir build-coverage -LE 'boot|long' -j "$(nproc)" >build-coverage/ctest.log 2>&1 ||
    echo "coverage: some tests failed; see build-coverage/ctest.log" >&2
find build-coverage -name '*.gcda' | grep -E '/(hw|softmmu|frontend|ui)/' | while read -r data; do
    gcov --stdout --no-output --relative-only --source-prefix "$PWD" --object-directory "$(dirname "$data")" "$data" 2>/dev/null || true
done | awk '
    /^File/ { file = substr($2, 2, length($2) - 2) }
    /^Lines executed:/ && file ~ /^(hw|softmmu|frontend|ui)\/.*\.c$/ {
        split($0, part, /[:% ]+/)
        if (part[3] + 0 >= best[file] + 0) { best[file] = part[3]; lines[file] = part[5] }
    }
    END {
        for (f in best) printf "%6.1f %% of %4d  %s\n", best[f], lines[f], f
    }' | sort -k5 | tee build-coverage/coverage.txt
echo
echo "below 90 %:"
awk '$1 < 90' build-coverage/coverage.txt
