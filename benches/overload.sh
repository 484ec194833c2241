#!/usr/bin/env bash
# What becomes of the rate when twice as much comes as can be carried.
#
#     benches/overload.sh [SECONDS] [ROUNDS] [LOAD OPTIONS...]
#
# Rounds (3) of two runs of SECONDS (8) each against one server. First the peak: a closed loop, as fast as answers allow. Then
# twice that rate on an open-loop schedule, whatever comes of it, by clients that would rather be refused than wait
# (`--refuse-when-busy`). Goodput is what was accepted within 100 ms of its intended start. The generator shares the
# machine with the server, and to offer twice as much costs it twice as much: `offered` says what it came to, and the load
# options choose how much of the work is the server's (the default: four-line orders over 40 locations, which sourcing has
# to choose among).
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-8}"
rounds="${2:-3}"
shift $(($# < 2 ? $# : 2))
[ "$#" -gt 0 ] || set -- --locations 40 --skus 10000
connections=16
. benches/server.sh

printf '[snapshots]\nevery_records = 0\n' > "$directory/config.toml"
start

load() {
    "$binary" load --connect "$address" --json --seconds "$seconds" --connections "$connections" "$@" 2> /dev/null > "$directory/json"
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

echo "load options: $*"
for round in $(seq "$rounds"); do
    load "$@" || true
    peak="$(value orders_per_second)"
    echo "round $round, peak: $peak orders/s, p99 $(accepted p99) us, resident $(memory_mib VmRSS) MiB"
    load --rate "$((2 * peak))" --refuse-when-busy --in-flight 8192 "$@" || true
    goodput="$(value goodput_per_second)"
    offered="$(($(value sent) / seconds))"
    echo "round $round, twice that: offered $offered/s of $((2 * peak)), goodput $goodput orders/s =" \
        "$((goodput * 1000 / peak)) per mille of the peak, busy $(value busy), other refusals $(($(value rejected) - $(value busy)))," \
        "accepted p99 $(accepted p99) us, max $(accepted max) us, behind at most $(value behind_ms_max) ms, resident at most $(memory_mib VmHWM) MiB"
done
