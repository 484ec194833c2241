#!/usr/bin/env bash
# What a snapshot costs while orders flow, and how long the state takes to come back from it.
#
#     benches/snapshots.sh [ORDERS] [ROUNDS] [MIB_PER_S]
#
# A server holds ORDERS open four-line orders (10,000,000). Closed-loop load runs for some seconds, first without a snapshot,
# then while one is made; the ratio of both is what it costs. The server tells the longest step of the walk, which is what a
# command had to wait for it at most; MIB_PER_S (80) is the pace. Then it is killed with -9 and started again, ROUNDS times (3).
set -euo pipefail
cd "$(dirname "$0")/.."
orders="${1:-10000000}"
rounds="${2:-3}"
seconds=4
binary=target/release/orderline
[ -x "$binary" ] || cargo build --release
directory="$(mktemp -d)"
server=
trap 'kill -9 $server 2> /dev/null || true; rm -rf "$directory"' EXIT

start() {
    "$binary" serve --data "$directory/data" --listen 127.0.0.1:0 --config "$directory/config.toml" \
        > "$directory/out" 2> "$directory/err" &
    server=$!
    until grep -q ready "$directory/out"; do
        kill -0 "$server"
        sleep 0.05
    done
    address="$(awk '/ready/ { print $2 }' "$directory/out")"
}

rate() {
    "$binary" load --connect "$address" --json "$@" 2> /dev/null \
        | sed -E 's/.*"orders_per_second":([0-9]+).*"p99":([0-9]+),"p999":([0-9]+).*/\1 orders\/s, p99 \2 us, p999 \3 us/'
}

resident_mib() {
    echo $(($(awk '/VmRSS/ { print $2 }' "/proc/$server/status") / 1024))
}

printf '[snapshots]\nevery_records = 0\n' > "$directory/config.toml"
start
echo "filling: $(rate --orders "$orders")"
for _ in $(seq "$rounds"); do
    echo "without a snapshot: $(rate --seconds $seconds)"
done
kill "$server"
wait "$server" || true

# One record is more than enough for it to be due at once: it is made while the next load runs.
printf '[snapshots]\nevery_records = 1000\nmib_per_s_max = %s\n' "${3:-80}" > "$directory/config.toml"
start
grep recovered "$directory/err"
echo "resident before: $(resident_mib) MiB"
for _ in $(seq "$rounds"); do
    echo "while snapshots are made: $(rate --seconds $seconds)"
    echo "resident: $(resident_mib) MiB"
done
kill "$server"
wait "$server" || true
grep -E '^(snapshot|snapshots)' "$directory/err" || true

printf '[snapshots]\nevery_records = 0\n' > "$directory/config.toml"
for _ in $(seq "$rounds"); do
    start
    grep recovered "$directory/err"
    kill -9 "$server"
    wait "$server" 2> /dev/null || true
done
