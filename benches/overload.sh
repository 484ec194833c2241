#!/usr/bin/env bash
# What becomes of the rate when twice as much comes as can be carried.
#
#     benches/overload.sh [SECONDS] [ROUNDS] [LOAD OPTIONS...]
#
# Rounds (5) of three runs of SECONDS (3) each against a server of their own. The peak: a closed loop, as fast as answers allow.
# Twice that rate on an open-loop schedule, whatever comes of it, by clients that would rather be refused than wait
# (`--refuse-when-busy`). The peak once more: a machine's pace changes, so the peak of a round is the mean of both. Goodput is
# what was accepted within 100 ms of its intended start, in all of them.
#
# The server has processor 0 and the generator processor 1: to offer twice as much costs a generator twice as much, and were
# both on the same processors, it would take from the server what is to be measured. SERVER_CORES and LOAD_CORES choose
# others; `SERVER_CORES=0,1 LOAD_CORES=0,1` is the fight. `offered` says what was really sent. Memory for the orders is there from
# the start, so that no run pays for it. The load options choose how much of the work is the server's (the default: four-line
# orders over 40 locations, which sourcing has to choose among).
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-3}"
rounds="${2:-5}"
shift $(($# < 2 ? $# : 2))
[ "$#" -gt 0 ] || set -- --locations 40 --skus 10000
connections=16
run_on=(taskset -c "${SERVER_CORES:-0}")
. benches/server.sh

printf '[snapshots]\nevery_records = 0\n[engine]\npreallocate_orders = 10000000\n' > "$directory/config.toml"

load() {
    taskset -c "${LOAD_CORES:-1}" "$binary" load --connect "$address" --json --seconds "$seconds" --connections "$connections" "$@" \
        2> /dev/null > "$directory/json"
}

# The first number behind a key of the report.
value() {
    grep -oE "\"$1\":[0-9.]+" "$directory/json" | head -n 1 | cut -d: -f2 | cut -d. -f1
}

# A number of the latencies of accepted orders.
accepted() {
    grep -oE '"latency_accepted_us":\{[^}]*' "$directory/json" | grep -oE "\"$1\":[0-9]+" | cut -d: -f2
}

memory_mib() {
    echo $(($(awk "/$1/ { print \$2 }" "/proc/$server/status") / 1024))
}

peak() {
    load "$@" || true
    value goodput_per_second
}

echo "load options: $*; server on ${SERVER_CORES:-0}, generator on ${LOAD_CORES:-1}"
ratios=
for round in $(seq "$rounds"); do
    start
    before="$(peak "$@")"
    resident="$(memory_mib VmRSS)"
    load --rate "$((2 * before))" --refuse-when-busy --in-flight 8192 "$@" || true
    goodput="$(value goodput_per_second)"
    told="offered $(($(value sent) / seconds))/s, goodput $goodput/s, busy $(value busy), other refusals \
$(($(value rejected) - $(value busy))), accepted p50 $(accepted p50) us, p99 $(accepted p99) us, max $(accepted max) us, \
behind at most $(value behind_ms_max) ms, resident $resident MiB before, at most $(memory_mib VmHWM) MiB"
    after="$(peak "$@")"
    ratio="$((goodput * 2000 / (before + after)))"
    ratios+="$ratio "
    echo "round $round: peak $before and $after orders/s; $told; $ratio per mille of the peak"
    kill -9 "$server"
    wait "$server" 2> /dev/null || true
    rm -rf "$directory/data"
done
echo "median: $(tr ' ' '\n' <<< "${ratios% }" | sort -n | sed -n "$(((rounds + 1) / 2))p") per mille of the peak"
