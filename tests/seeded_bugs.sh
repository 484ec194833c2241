#!/usr/bin/env bash
# Do the tests catch what they are there for? Builds them once with the feature `seeded-bugs`, runs them without a bug,
# where they must pass, and then with one bug after the other, each in a process of its own, where one of them must fail.
# Prints a table: the bug, which test caught it, and in which of its runs (seeds) that was. Ends with 1 if one got away.
#
#     tests/seeded_bugs.sh            all bugs, each up to the first check that catches it: what CI runs
#     tests/seeded_bugs.sh --all      all checks against each bug, however many catch it
#     tests/seeded_bugs.sh BUG...     these bugs only
set -euo pipefail
cd "$(dirname "$0")/.."

# A bug, and the checks that are to catch it, the likeliest first. A name here is a name in the sources (a test of
# tests/it/tidy.rs holds both together), and what it does stands there.
bugs=(
    "skip-the-sync crash"
    "sync-a-page-too-few crash"
    "publish-before-the-sync crash"
    "acknowledge-early crash engine"
    "watermark-one-ahead crash"
    "try-a-failed-sync-again crash"
    "skip-the-directory-sync crash"
    "trust-the-page-cache-at-a-start crash"
    "follow-no-chain snapshots"
    "take-damage-for-a-torn-end damage"
    "skip-the-snapshot-sync snapshots"
    "skip-the-snapshot-directory-sync snapshots"
    "skip-the-snapshot-hash snapshots"
    "let-a-snapshot-run-ahead-of-the-log making"
    "remove-what-the-older-snapshot-needs making"
    "release-one-too-early engine"
    "ask-no-watermark gateway"
    "let-the-clock-go-back engine"
    "replay-a-record-twice engine"
    "forget-the-answers orders engine"
    "forget-one-request-of-the-window orders"
    "leave-the-answers-out-of-a-snapshot model"
    "clamp-a-negative model stock"
    "keep-the-stock-of-what-expires model time"
    "capture-more-than-was-authorised model money"
    "refund-more-than-was-captured model money"
)

# A check: the test binary, and which of its tests.
checks=(
    "crash journal crash::"
    "damage journal damage::"
    "snapshots journal snapshots::"
    "engine engine"
    "making snapshots"
    "orders orders"
    "stock stock"
    "time time"
    "money money"
    "gateway gateway"
    "model model the_engine_and_the_model_answer_alike"
)
export MODEL_COMMANDS="${MODEL_COMMANDS:-100000}"
seconds_max=180

all=false
wanted=()
for argument in "$@"; do
    if [ "$argument" = --all ]; then all=true; else wanted+=("$argument"); fi
done

built="$(mktemp)"
output="$(mktemp)"
trap 'rm -f "$built" "$output"' EXIT
echo "building the tests with the feature seeded-bugs" >&2
cargo test --no-run --locked --features orderline-journal/seeded-bugs \
    -p orderline-journal -p orderline-core -p orderline-gateway 2> "$built" || { cat "$built" >&2; exit 2; }

# The path of a test binary, from what cargo said: "Executable tests/engine.rs (target/debug/deps/engine-0123)".
binary() {
    sed -n "s|^ *Executable tests/$1\(/main\)\?\.rs (\(.*\))$|\2|p" "$built" | head -n 1
}

# Runs a check against a bug; true if it passed.
passes() {
    local bug="$1" test filter
    read -r _ test filter <<< "$2"
    local path
    path="$(binary "$test")"
    [ -n "$path" ] || { echo "the test binary $test was not built" >&2; exit 2; }
    # shellcheck disable=SC2086
    ORDERLINE_BUG="$bug" timeout "$seconds_max" "$path" $filter > "$output" 2>&1
}

# What the output of a failed check says: the test that failed, and in which of its runs.
verdict() {
    local name seed
    name="$(sed -n 's/^---- \(.*\) stdout ----$/\1/p' "$output" | head -n 1)"
    if [ -z "$name" ]; then
        echo "it did not end well: $(tail -n 1 "$output")"
        return
    fi
    # What that test alone has said.
    seed="$(awk '/^---- .* stdout ----$/ { part += 1 } part == 1' "$output" | grep -oE 'seed [0-9]+' | head -n 1 | cut -c6- || true)"
    echo "$name (run $(( ${seed:-0} + 1 )))"
}

check_named() {
    local check
    for check in "${checks[@]}"; do
        if [ "${check%% *}" = "$1" ]; then echo "$check"; return; fi
    done
    echo "there is no check called $1" >&2
    exit 2
}

echo "without a bug" >&2
for check in "${checks[@]}"; do
    passes none "$check" || { cat "$output" >&2; echo "${check%% *} fails without a bug" >&2; exit 2; }
done

caught=0
count=0
printf '%-38s %s\n' "bug" "caught by"
for row in "${bugs[@]}"; do
    read -r bug named <<< "$row"
    if [ "${#wanted[@]}" -gt 0 ] && [[ " ${wanted[*]} " != *" $bug "* ]]; then
        continue
    fi
    count=$((count + 1))
    # The named checks first, then the others: a bug that only another one catches is caught all the same.
    order=()
    for name in $named; do order+=("$(check_named "$name")"); done
    for check in "${checks[@]}"; do
        [[ " $named " == *" ${check%% *} "* ]] || order+=("$check")
    done
    found=()
    for check in "${order[@]}"; do
        if ! passes "$bug" "$check"; then
            found+=("${check%% *}: $(verdict)")
            $all || break
        fi
    done
    if [ "${#found[@]}" -gt 0 ]; then
        caught=$((caught + 1))
    else
        found=("NOTHING")
    fi
    printf '%-38s %s\n' "$bug" "${found[0]}"
    for more in "${found[@]:1}"; do printf '%-38s %s\n' "" "$more"; done
done
echo "$caught of $count bugs caught"
[ "$caught" = "$count" ]
