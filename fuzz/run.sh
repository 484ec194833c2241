#!/usr/bin/env bash
# Fuzzes everything that reads bytes from outside, coverage-guided, and prints a table: executions, what of the code was
# reached, crashes. Ends with 1 if anything crashed, and says in which file of fuzz/artifacts/ the input is.
#
#     fuzz/run.sh SECONDS [TARGET...]   each target (or these) for so long, two at a time
#     fuzz/run.sh --nightly             100 million executions of decoders and a million recoveries: some hours
#     fuzz/run.sh --part SECONDS [TARGET...]   the same in parts: each target goes on where its last part ended, for so long;
#                                       executions are added up in target/fuzz/nightly/
#     fuzz/run.sh --keep                takes what was found into fuzz/corpus/, made as small as it can be
#     fuzz/run.sh --seed                writes the first seeds into fuzz/corpus/ again, from the golden files
#
# It needs what a build needs and a C++ compiler, for libFuzzer comes as its source (crate libfuzzer-sys). The stable
# toolchain does: coverage is an option of the compiler, not of a nightly one. SANITIZE=1 runs under AddressSanitizer,
# which takes twice as long. What is found is kept in target/fuzz/found/. With FUZZ_REPORT=FILE each target's executions are
# appended to that file as a JSON line.
set -euo pipefail
cd "$(dirname "$0")/.."

targets=(frames hello commands lives replies records batches recovery snapshots config import_map import_rows)
# Nightly: executions of each, in thousands. All but recovery and snapshots are decoders.
declare -A thousands=(
    [frames]=20000 [hello]=20000 [commands]=15000 [lives]=500 [replies]=20000 [records]=15000
    [batches]=2000 [recovery]=1000 [snapshots]=200 [config]=3000 [import_map]=2500 [import_rows]=2000
)

command -v g++ > /dev/null || command -v c++ > /dev/null || {
    echo "a C++ compiler, which libFuzzer is built with, is not installed; on Debian: apt-get install g++" >&2
    exit 2
}

host="$(rustc -vV | sed -n 's/^host: //p')"
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
coverage+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
coverage+=" -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing"
if [ "${SANITIZE:-0}" = 1 ]; then
    coverage+=" -Zsanitizer=address"
    export RUSTC_BOOTSTRAP=1
    built=target/fuzz/asan
else
    built=target/fuzz/plain
fi
bin="$built/$host/release"

build() {
    # With --target, what runs while building (build scripts, macros) is built without coverage.
    RUSTFLAGS="$coverage" cargo build --release --locked --manifest-path fuzz/Cargo.toml \
        --target "$host" --target-dir "$built" "${targets[@]/#/--bin=}"
}

mode=seconds
case "${1:-}" in
    --nightly) mode=nightly; shift ;;
    --part)
        [[ "${2:-}" =~ ^[0-9]+$ ]] || { echo "--part takes how many seconds a part lasts" >&2; exit 2; }
        mode=part
        seconds="$2"
        shift 2
        ;;
    --keep) mode=keep; shift ;;
    --seed)
        cargo run --quiet --locked --manifest-path fuzz/Cargo.toml --target-dir target/fuzz/seeds --bin seeds
        exit 0
        ;;
    [0-9]*) seconds="$1"; shift ;;
    *) sed -n '2,15s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
[ "$#" -eq 0 ] || targets=("$@")

build
mkdir -p fuzz/artifacts

if [ "$mode" = keep ]; then
    for target in "${targets[@]}"; do
        found="target/fuzz/found/$target"
        small="target/fuzz/small/$target"
        [ -d "$found" ] || continue
        rm -rf "$small"
        mkdir -p "$small" "fuzz/corpus/$target"
        "$bin/$target" -merge=1 "$small" "fuzz/corpus/$target" "$found" 2> /dev/null
        rm -rf "fuzz/corpus/$target"
        mkdir -p "fuzz/corpus/$target"
        # A name that says nothing needs not be long.
        for file in "$small"/*; do cp "$file" "fuzz/corpus/$target/$(basename "$file" | cut -c1-12)"; done
        echo "$target: $(find "fuzz/corpus/$target" -type f | wc -l) inputs, $(du -sb "fuzz/corpus/$target" | cut -f1) bytes"
    done
    exit 0
fi

# Executions of a target's parts so far.
so_far() {
    cat "target/fuzz/nightly/$1" 2> /dev/null || echo 0
}

# Executions that a target still has to make. libFuzzer takes 0 for no bound, and 1 is soon done.
left() {
    local done=0
    [ "$mode" != part ] || done="$(so_far "$1")"
    local left=$((thousands[$1] * 1000 - done))
    echo "$((left > 0 ? left : 1))"
}

fuzz_one() {
    local target="$1" found="target/fuzz/found/$1" log="target/fuzz/$1.log"
    local limit=("-max_total_time=${seconds:-0}")
    [ "$mode" = seconds ] || limit+=("-runs=$(left "$target")")
    mkdir -p "$found"
    local length=4096
    case "$target" in recovery | snapshots) length=256 ;; esac
    "$bin/$target" "${limit[@]}" -max_len="$length" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 \
        "-artifact_prefix=fuzz/artifacts/$target-" "$found" "fuzz/corpus/$target" > "$log" 2>&1 || true
}

begun="$SECONDS"
running=0
for target in "${targets[@]}"; do
    if [ "$running" -ge 2 ]; then
        wait -n
        running=$((running - 1))
    fi
    fuzz_one "$target" &
    running=$((running + 1))
done
wait

crashed=0
printf '%-12s %14s %10s %9s %8s  %s\n' target executions "a second" edges inputs verdict
for target in "${targets[@]}"; do
    log="target/fuzz/$target.log"
    value() { sed -n "s/^stat::$1: *//p" "$log" | tail -n 1; }
    edges="$(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | cut -c6- || true)"
    inputs="$(grep -o 'corp: [0-9]*' "$log" | tail -n 1 | cut -c7- || true)"
    verdict=well
    if ! grep -q '^Done ' "$log"; then
        verdict="CRASHED: $(grep -m 1 -E 'panicked at|ERROR: ' "$log" || echo "see $log")"
        input="$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)"
        verdict+=", on the input in ${input:-(no input was written)}"
        crashed=$((crashed + 1))
    fi
    executions="$(value number_of_executed_units)"
    if [ "$mode" = part ]; then
        mkdir -p target/fuzz/nightly
        executions=$(($(so_far "$target") + ${executions:-0}))
        echo "$executions" > "target/fuzz/nightly/$target"
    fi
    if [ -n "${FUZZ_REPORT:-}" ]; then
        printf '{"target":"%s","executions":%s}\n' "$target" "${executions:-0}" >> "$FUZZ_REPORT"
    fi
    printf '%-12s %14s %10s %9s %8s  %s\n' "$target" "$executions" \
        "$(value average_exec_per_sec)" "${edges:-0}" "${inputs:-0}" "$verdict"
done
echo "$crashed of ${#targets[@]} targets crashed, in $((SECONDS - begun)) s"
[ "$crashed" = 0 ]
