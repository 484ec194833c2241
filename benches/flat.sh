#!/usr/bin/env bash
# Measures whether Orderline stays as fast and as small as it grows, and prints tables: the core alone; orders through TCP,
# durable, with few and many open orders and SKUs; a hundred busy connections alone and among ten thousand.
#
#   benches/flat.sh [core|tcp|connections|all] [ORDERS=10000000] [DIRECTORY=target/flat]
#
# Default settings throughout, so a snapshot is made every ten million records, also in the middle of a round. ORDERS is how
# many open orders it goes up to: 100,000,000 want some 20 GiB of memory and 20 GiB of disk. `connections` wants 10,100 descriptors a process (ulimit -n). Needs python3 and an otherwise idle machine.
set -euo pipefail
cd "$(dirname "$0")/.."
part=${1:-all}
orders=${2:-10000000}
directory=${3:-target/flat}
seconds=3
orderline=target/release/orderline
mkdir -p "$directory"

server=
stop() {
    [ -n "$server" ] || return 0
    kill -TERM "$server" 2> /dev/null || true
    wait "$server" 2> /dev/null || true
    server=
}
trap 'stop; rm -rf "$directory/data"' EXIT
serve() {
    rm -rf "$directory/data"
    "$orderline" serve --data "$directory/data" --listen 127.0.0.1:0 > "$directory/ready" 2> "$directory/said" &
    server=$!
    until grep -q '^ready' "$directory/ready"; do
        kill -0 "$server" || { cat "$directory/said" >&2; exit 1; }
        sleep 0.1
    done
    address=$(sed 's/^ready //' "$directory/ready")
}
load() { "$orderline" load --connect "$address" --json "$@" 2> /dev/null; }
field() { python3 -c 'import json, sys
value = json.loads(sys.stdin.read().splitlines()[-1])
for key in sys.argv[1].split("."): value = value[key]
print(round(value))' "$1"; }
# Memory of the server's own; the journal's mapped pages belong to files.
resident_bytes() { awk '/^RssAnon/ { printf "%.0f", $2 * 1024 }' "/proc/$server/status"; }

measure_core() {
    for skus in 100000 10000000; do
        cargo bench --quiet --locked -p orderline-core --bench growth -- "$orders" "$skus"
    done
    cargo bench --quiet --locked -p orderline-core --bench growth -- "$orders" 100000 preallocated
}

measure_tcp() {
    cargo build --release --locked --quiet
    echo "| SKUs | open orders | orders/s, three rounds | latency max us | bytes an open order |"
    echo "|---|---|---|---|---|"
    for skus in 100000 10000000; do
        serve
        load --orders 1 --skus "$skus" > "$directory/first"
        before=$(resident_bytes)
        placed=1
        for step in 1000000 10000000 100000000; do
            [ "$step" -le "$orders" ] || break
            if [ "$placed" -lt "$step" ]; then
                load --orders $((step - placed)) --skus "$skus" > "$directory/fill"
                placed=$step
            fi
            open=$placed rates='' maxima=''
            bytes=$((($(resident_bytes) - before) / open))
            for _ in 1 2 3; do
                load --seconds "$seconds" --skus "$skus" > "$directory/load"
                placed=$((placed + $(field acked < "$directory/load")))
                rates+="$(field orders_per_second < "$directory/load") "
                maxima+="$(field latency_us.max < "$directory/load") "
            done
            echo "| $skus | $open | $rates| $maxima| $bytes |"
        done
        stop
    done
}

# Opens connections, one session each, and holds them in silence; prints a line once all are welcomed. The server would give
# them up after `gateway.idle_ms_max`, 30 seconds. To be run behind `&`: it becomes that process.
hold_connections() {
    exec python3 - "$1" "$2" "$(sed -n 's/^pub const WIRE_VERSION: u8 = \([0-9]*\);$/\1/p' protocol/src/frame.rs)" <<'PY'
import os, socket, struct, sys, time
table = []
for byte in range(256):
    for _ in range(8): byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    table.append(byte)
def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data: crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF
host, port = sys.argv[1].rsplit(":", 1)
held = []
for _ in range(int(sys.argv[2])):
    hello = b"ORDRLINE" + os.urandom(16) + bytes(32) + bytes(8)
    checked = struct.pack("<BBHI", 1, int(sys.argv[3]), 0, 0) + hello
    connection = socket.create_connection((host, int(port)))
    connection.sendall(struct.pack("<II", len(hello), crc32c(checked)) + checked)
    held.append(connection)
for number, connection in enumerate(held):
    answer = connection.recv(64)
    if len(answer) < 16 or answer[8] != 2:
        sys.exit(f"connection {number} was not welcomed: {answer.hex()}")
print("held", flush=True)
time.sleep(60)
PY
}

measure_connections() {
    cargo build --release --locked --quiet
    if [ "$(ulimit -n)" -lt 10100 ]; then
        echo "connections: ulimit -n is $(ulimit -n), 10100 are wanted" >&2
        exit 1
    fi
    serve
    : > "$directory/alone"
    : > "$directory/among"
    for _ in 1 2 3; do
        load --connections 100 --seconds "$seconds" | field orders_per_second >> "$directory/alone"
        hold_connections "$address" 9900 > "$directory/held" &
        holder=$!
        until grep -q held "$directory/held"; do
            kill -0 "$holder" || exit 1
            sleep 0.1
        done
        load --connections 100 --seconds "$seconds" | field orders_per_second >> "$directory/among"
        kill "$holder"
        wait "$holder" 2> /dev/null || true
    done
    stop
    echo "| connections | orders/s, three rounds |"
    echo "|---|---|"
    echo "| 100 busy, alone | $(paste -sd' ' "$directory/alone") |"
    echo "| 100 busy among 10,000 | $(paste -sd' ' "$directory/among") |"
}

case "$part" in
    core) measure_core ;;
    tcp) measure_tcp ;;
    connections) measure_connections ;;
    all) measure_core; measure_tcp; measure_connections ;;
    *) sed -n 's/^#   //p' "$0" >&2; exit 2 ;;
esac
