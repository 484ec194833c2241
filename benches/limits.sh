#!/usr/bin/env bash
# Measures Orderline beside the bare work of placing orders (limits/place.c), in one run, and prints one table.
#
#   benches/limits.sh [RUNS=5] [DIRECTORY=target/limits]
#
# Every figure is the median of RUNS runs; in each round the limit program and the thing measured take turns, so that a
# machine that is slow for a while is slow for both. Needs gcc, python3 and an otherwise idle machine; takes about seven
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
# Microseconds of writing so many bytes and syncing them, into a file that is there: p50 and p99, the latter also with a pause
# between two syncs, as orders that come at a rate leave them.
sync_us() { python3 - "$directory/sync.bin" "$1" <<'PY'
import os, sys, time
size = int(sys.argv[2])
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.pwrite(fd, bytes(16 << 20), 0); os.fsync(fd)
def times(count, pause):
    for at in range(count):
        start = time.perf_counter_ns(); os.pwrite(fd, b"x" * size, at * size % (16 << 20)); os.fdatasync(fd)
        yield (time.perf_counter_ns() - start) / 1000
        time.sleep(pause)
at_once = sorted(times(2000, 0)); paced = sorted(times(5000, 0.0002))
print(at_once[1000], at_once[1980], paced[4950]); os.unlink(sys.argv[1])
PY
}
# Microseconds of 200 bytes there and back between two processes.
round_trip_us() { python3 - <<'PY'
import os, socket, time
listener = socket.create_server(("127.0.0.1", 0))
if os.fork() == 0:
    peer, _ = listener.accept(); peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while (said := peer.recv(4096)): peer.sendall(said)
    os._exit(0)
peer = socket.create_connection(listener.getsockname()); peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
times = []
for _ in range(3000):
    start = time.perf_counter_ns(); peer.sendall(b"x" * 200); peer.recv(4096)
    times.append(time.perf_counter_ns() - start)
print(sorted(times)[len(times) // 2] / 1000)
PY
}
# Per cent of one core that the server's threads take in five seconds without traffic.
idle_percent() { python3 - "$server" <<'PY'
import glob, sys, time
def busy_ns(): return sum(int(open(task).read().split()[0]) for task in glob.glob(f"/proc/{sys.argv[1]}/task/*/schedstat"))
before = busy_ns(); time.sleep(5); print((busy_ns() - before) / 5e9 * 100)
PY
}
# A virtual machine's host may have taken free memory back; touching it again is then slow, whoever does it.
# Twice what a replay of 15 to 20 M orders takes: with as much as it takes, it is a third slower.
warm() { python3 -c 'import mmap
memory = mmap.mmap(-1, 6 << 30)
for at in range(0, 6 << 30, 4096): memory[at] = 1'; }
load() { "$orderline" load --connect "127.0.0.1:$port" --json "$@" 2>/dev/null; }
serve() {
    rm -rf "$directory/data"
    "$orderline" serve --data "$directory/data" --listen "127.0.0.1:$port" >"$directory/ready" 2>"$directory/said" &
    server=$!
    until grep -q ready "$directory/ready"; do sleep 0.1; done
}
open_loop() {
    load --seconds 5 --rate 100000 >"$directory/open"
    field latency_us.p50 <"$directory/open" >>"$directory/$1_p50"
    field latency_us.p99 <"$directory/open" >>"$directory/$1_p99"
}
stop() { kill -TERM "$server"; wait "$server" || true; }
trap 'kill "$server" 2>/dev/null || true' EXIT

for name in memory msync tcp tcp_single sync_4k sync_64k sync_64k_p99 sync_64k_paced_p99 round_trip alone alone_least open_p50 open_p99 open_snapshot_p50 open_snapshot_p99 idle replay; do : >"$directory/$name"; done
for round in $(seq "$runs"); do
    echo "round $round of $runs" >&2
    warm
    place memory >>"$directory/memory"
    place msync >>"$directory/msync"
    serve
    # Before there is anything that a snapshot could be made of.
    sleep 1; idle_percent >>"$directory/idle"
    open_loop open
    load --seconds 5 | field orders_per_second >>"$directory/tcp"
    load --seconds 5 --orders-per-frame 1 | field orders_per_second >>"$directory/tcp_single"
    # A snapshot of all that is being made now.
    open_loop open_snapshot
    read -r p50 p99 paced_p99 <<<"$(sync_us 65536)"
    echo "$p50" >>"$directory/sync_64k"
    echo "$p99" >>"$directory/sync_64k_p99"
    echo "$paced_p99" >>"$directory/sync_64k_paced_p99"
    sync_us 4096 | cut -d' ' -f1 >"$directory/now_4k"
    round_trip_us >"$directory/now_trip"
    load --orders 3000 --in-flight 1 | field latency_us.p50 >>"$directory/alone"
    cat "$directory/now_4k" >>"$directory/sync_4k"
    cat "$directory/now_trip" >>"$directory/round_trip"
    python3 -c 'import sys; print(sum(float(open(name).read()) for name in sys.argv[1:]))' \
        "$directory/now_4k" "$directory/now_trip" >>"$directory/alone_least"
    sleep 1
    stop
    for _ in 1 2 3; do
        warm
        "$orderline" replay --data "$directory/data" --json 2>/dev/null | field records_per_second >>"$directory/replay"
    done
done

python3 - "$directory" "$runs" <<'PY'
import statistics, sys
directory, runs = sys.argv[1], sys.argv[2]
def read(name): return [float(x) for x in open(f"{directory}/{name}")]
def show(what, name, unit, against=None, digits=0):
    values = read(name); m = statistics.median(values)
    ratio = f"{m / statistics.median(read(against)):.2f} x {against}" if against else ""
    print(f"| {what} | {m:,.{digits}f} {unit} | {min(values):,.{digits}f} to {max(values):,.{digits}f} | {ratio} |")
print(f"| what (median of {runs}) | figure | range | ratio |\n|---|---|---|---|")
show("place.c, memory", "memory", "orders/s")
show("place.c, msync", "msync", "orders/s")
show("orders through TCP, durable", "tcp", "orders/s", "msync")
show("the same, one order a frame", "tcp_single", "orders/s", "msync")
show("replay, on memory that was just touched", "replay", "records/s", "memory")
show("one 4 KiB write and fdatasync", "sync_4k", "us")
show("one 64 KiB write and fdatasync", "sync_64k", "us")
show("the same, p99", "sync_64k_p99", "us")
show("the same, p99, with 0.2 ms between two", "sync_64k_paced_p99", "us")
show("one round trip through loopback TCP", "round_trip", "us")
show("the least an order alone can take: a 4 KiB sync and a round trip", "alone_least", "us")
show("one order in flight, p50", "alone", "us", "alone_least")
show("100,000 orders/s open loop, p50", "open_p50", "us", "sync_64k")
show("100,000 orders/s open loop, p99", "open_p99", "us", "sync_64k")
show("the same beside a sync's p99 at that pace", "open_p99", "us", "sync_64k_paced_p99")
show("while a snapshot of some 15 M orders is made, p50", "open_snapshot_p50", "us", "sync_64k")
show("the same, p99", "open_snapshot_p99", "us", "sync_64k")
show("the server without traffic", "idle", "% of a core", digits=2)
PY
rm -rf "$directory/data"
