#!/usr/bin/env bash
# What a snapshot costs while orders flow, and how long the state takes to come back from it.
#
#     benches/snapshots.sh [ORDERS] [ROUNDS] [MIB_PER_S]
#
# A server holds ORDERS open four-line orders (10,000,000). ROUNDS times (3) it is started without snapshots and takes closed-loop
# load, then started again so that one is being made from the first second and takes the same load; the ratio of the two is what a
# snapshot costs. Both begin behind a restart, for memory that the host gives back costs the first seconds more than a snapshot
# does. The server tells the longest step of the walk, which is what a command had to wait for it at most; MIB_PER_S (80) is the
# pace. At the end one snapshot is made without a load beside it, and the server is killed with -9 and started again from it.
set -euo pipefail
cd "$(dirname "$0")/.."
orders="${1:-10000000}"
rounds="${2:-3}"
seconds=6
pace="${3:-80}"
. benches/server.sh

rate() {
    "$binary" load --connect "$address" --json "$@" 2> /dev/null \
        | sed -E 's/.*"orders_per_second":([0-9]+).*"p99":([0-9]+),"p999":([0-9]+).*/\1 orders\/s, p99 \2 us, p999 \3 us/'
}

resident_mib() {
    echo $(($(awk '/VmRSS/ { print $2 }' "/proc/$server/status") / 1024))
}

stop() {
    kill "$server"
    wait "$server" || true
    grep -E 'snapshot' "$directory/err" || true
}

configure() {
    printf '[snapshots]\nevery_records = %s\nmib_per_s_max = %s\n' "$1" "$2" > "$directory/config.toml"
}

configure 0 0
start
echo "filling: $(rate --orders "$orders")"
stop
for _ in $(seq "$rounds"); do
    configure 0 0
    start
    grep recovered "$directory/err"
    echo "resident: $(resident_mib) MiB"
    without="$(rate --seconds $seconds)"
    echo "without a snapshot: $without"
    stop
    # One record is more than enough for one to be due at once.
    configure 1 "$pace"
    start
    echo "resident: $(resident_mib) MiB"
    with="$(rate --seconds $seconds)"
    echo "while one is made: $with"
    awk -v a="${with%% *}" -v b="${without%% *}" 'BEGIN { printf "ratio: %.2f\n", a / b }'
    stop
    rm -rf "$directory"/data/snapshots/*
done

configure 1 0
start
until grep -q 'a snapshot was made' "$directory/err"; do
    sleep 0.1
done
stop
configure 0 0
for _ in $(seq "$rounds"); do
    start
    grep recovered "$directory/err"
    kill -9 "$server"
    wait "$server" 2> /dev/null || true
done
