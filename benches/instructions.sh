#!/usr/bin/env bash
# Counts the instructions of one command, record or reply in each case of the rooms' benches `instructions`, under
# valgrind's callgrind, and holds them against benches/instructions.baseline.
#
#   benches/instructions.sh            prints a table; exit code 1 if a case grew by more than 10 %, or is in one list only
#   benches/instructions.sh --write    the same, and writes the baseline anew
#
# Counts are the same in every run of one binary: seeds are fixed, the commands are made from a fixed seed, and no clock or
# other thread is in what is counted. They differ between compilers and C libraries. What the processor offers matters
# little: callgrind emulates one without AVX-512, the tunables below choose the C library's plain routines for copying, and
# SSE4.2 (for the checksum, found when the program starts) is taken for granted.
set -euo pipefail
cd "$(dirname "$0")/.."
baseline=benches/instructions.baseline
growth_percent_max=10
export GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-AVX_Fast_Unaligned_Load,-ERMS

if [ $# -gt 1 ] || [ "${1:---write}" != --write ]; then
    echo "usage: benches/instructions.sh [--write]" >&2
    exit 2
fi
if ! command -v valgrind > /dev/null; then
    echo "valgrind is not installed; on Debian: apt-get install valgrind" >&2
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() {
    cargo bench --no-run --locked --bench instructions \
        -p orderline-protocol -p orderline-journal -p orderline-core 2>&1
}
if ! build > "$work/build"; then
    cat "$work/build" >&2
    exit 2
fi
sed -n 's/^ *Executable .*(\(.*\))$/\1/p' "$work/build" > "$work/programs"
while read -r program; do
    "$program" --list | sed "s|^|$program |"
done < "$work/programs" > "$work/cases"

# One case: its name and how many instructions each command, record or reply took.
count() {
    program=$1
    name=$2
    if ! said=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null \
        --toggle-collect='instructions::counted*' "$program" "$name" 2> "$3/$name"); then
        cat "$3/$name" >&2
        echo "$name: it did not run to its end" >&2
        return 1
    fi
    total=$(sed -n 's/.*Collected : *//p' "$3/$name")
    if [ "${total:-0}" -eq 0 ]; then
        cat "$3/$name" >&2
        echo "$name: callgrind counted nothing; is the function \`counted\` still there?" >&2
        return 1
    fi
    echo "$said $total" | awk '{ printf "%s %.1f\n", $1, $3 / $2 }'
}
export -f count
if ! xargs -P "$(nproc)" -L 1 bash -c 'count "$1" "$2" "$0"' "$work" < "$work/cases" > "$work/unsorted"; then
    exit 2
fi
sort "$work/unsorted" > "$work/now"

touch -a "$baseline"
verdict=0
{ sed -n '/^#/!s/^/before /p' "$baseline"; sed 's/^/now /' "$work/now"; } | awk -v percent="$growth_percent_max" '
    BEGIN { printf "%-22s %9s %9s %7s\n", "instructions of one", "baseline", "now", "ratio" }
    $1 == "before" { before[$2] = $3; next }
    !($2 in before) { printf "%-22s %9s %9.1f %7s  not in the baseline\n", $2, "-", $3, "-"; bad = 1; next }
    {
        ratio = $3 / before[$2]
        grew = ratio > 1 + percent / 100
        bad = bad || grew
        printf "%-22s %9.1f %9.1f %7.3f%s\n", $2, before[$2], $3, ratio, grew ? "  grew by more than " percent " %" : ""
        delete before[$2]
    }
    END {
        for (name in before) { printf "%-22s %9.1f %9s %7s  is no case any more\n", name, before[name], "-", "-"; bad = 1 }
        exit bad
    }' || verdict=1

if [ "${1:-}" = --write ]; then
    {
        echo "# Instructions of one command, record or reply: written by benches/instructions.sh --write"
        echo "# with $(rustc --version), $(valgrind --version), $(getconf GNU_LIBC_VERSION)"
        cat "$work/now"
    } > "$baseline"
    echo "written to $baseline"
elif [ "$verdict" -ne 0 ]; then
    echo "If this is meant, say why in the commit, and write the baseline anew: benches/instructions.sh --write" >&2
    exit 1
fi
