#!/usr/bin/env bash
# Measures Orderline beside the bare work of placing orders (limits/place.c), in one run, and prints one table.
#
#   benches/limits.sh [RUNS=5] [DIRECTORY=target/limits]
#
# Every figure is the median of RUNS runs; in each round the limit program and the thing measured take turns, so that a
# machine that is slow for a while is slow for both. Needs gcc, python3 and an otherwise idle machine; takes about five
# minutes. DIRECTORY must be on the disk that is to be measured.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-5}
directory=${2:-target/limits}
mkdir -p "$directory"
port=7499
orderline=target/release/orderline
cargo build --release --quiet
gcc -O3 -march=native -pthread benches/limits/place.c -lm -o "$directory/place"

place() { "$directory/place" "$1" 5000000 "$directory/place.journal" | sed 's/.*orders_per_s=\([0-9]*\).*/\1/'; }
field() { python3 -c 'import json,sys; v=json.loads(sys.stdin.read().splitlines()[-1])
for key in sys.argv[1].split("."): v=v[key]
print(v)' "$1"; }
sync_4k_us() { python3 - "$directory/sync.bin" <<'PY'
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.pwrite(fd, bytes(16 << 20), 0); os.fsync(fd)
times = []
for at in range(2000):
    start = time.perf_counter_ns(); os.pwrite(fd, b"x" * 4096, at * 4096 % (16 << 20)); os.fdatasync(fd)
    times.append(time.perf_counter_ns() - start)
print(sorted(times)[len(times) // 2] / 1000); os.unlink(sys.argv[1])
PY
}
# A virtual machine's host may have taken free memory back; touching it again is then slow, whoever does it.
warm() { python3 -c 'import mmap
memory = mmap.mmap(-1, 3 << 30)
for at in range(0, 3 << 30, 4096): memory[at] = 1'; }
load() { "$orderline" load --connect "127.0.0.1:$port" --json "$@" 2>/dev/null; }
serve() {
    rm -rf "$directory/data"
    "$orderline" serve --data "$directory/data" --listen "127.0.0.1:$port" >"$directory/ready" 2>"$directory/said" &
    server=$!
    until grep -q ready "$directory/ready"; do sleep 0.1; done
}
stop() { kill -TERM "$server"; wait "$server" || true; }
trap 'kill "$server" 2>/dev/null || true' EXIT

for name in memory msync tcp tcp_single sync_us alone_us open_p50 open_p99 replay; do : >"$directory/$name"; done
for round in $(seq "$runs"); do
    echo "round $round of $runs" >&2
    warm
    place memory >>"$directory/memory"
    place msync >>"$directory/msync"
    serve
    load --seconds 5 | field orders_per_second >>"$directory/tcp"
    load --seconds 5 --orders-per-frame 1 | field orders_per_second >>"$directory/tcp_single"
    load --seconds 5 --rate 100000 >"$directory/open"
    field latency_us.p50 <"$directory/open" >>"$directory/open_p50"
    field latency_us.p99 <"$directory/open" >>"$directory/open_p99"
    sync_4k_us >>"$directory/sync_us"
    load --orders 3000 --in-flight 1 | field latency_us.p50 >>"$directory/alone_us"
    stop
    warm
    "$orderline" replay --data "$directory/data" --json 2>/dev/null | field records_per_second >>"$directory/replay"
done

python3 - "$directory" "$runs" <<'PY'
import statistics, sys
directory, runs = sys.argv[1], sys.argv[2]
def read(name): return [float(x) for x in open(f"{directory}/{name}")]
def show(what, name, unit, against=None):
    values = read(name); m = statistics.median(values)
    ratio = f"{m / statistics.median(read(against)):.2f} x {against}" if against else ""
    print(f"| {what} | {m:,.0f} {unit} | {min(values):,.0f} to {max(values):,.0f} | {ratio} |")
print(f"| what (median of {runs}) | figure | range | ratio |\n|---|---|---|---|")
show("place.c, memory", "memory", "orders/s")
show("place.c, msync", "msync", "orders/s")
show("orders through TCP, durable", "tcp", "orders/s", "msync")
show("the same, one order a frame", "tcp_single", "orders/s", "msync")
show("replay", "replay", "records/s", "memory")
show("one 4 KiB write and fdatasync", "sync_us", "us")
show("one order in flight, p50", "alone_us", "us", "sync_us")
show("100,000 orders/s open loop, p50", "open_p50", "us", "sync_us")
show("100,000 orders/s open loop, p99", "open_p99", "us", "sync_us")
PY
rm -rf "$directory/data"
