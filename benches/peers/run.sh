#!/usr/bin/env bash
# Places the same orders in SQLite, PostgreSQL, Redis and Orderline, all durable before the answer, and prints one table.
#
#   benches/peers/run.sh [--rounds N=5] [--seconds S=5] [--directory DIR=target/peers]
#
# Every figure is the median of N rounds of S seconds; in each round all of them take turns, each on a fresh directory
# under DIR, which must be on the disk that is to be measured. What an order is stands in orders.h; each client also
# checks that orders and stock add up, that an order is not placed twice, and that what is sold out is refused. Servers
# listen on sockets of their own; no cluster or service of the system is touched. Needs Debian's packages named below
# (installed by apt-get when they are missing and this runs as root) and an otherwise idle machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=5
seconds=5
directory=target/peers
while [ $# -gt 0 ]; do
    case "$1" in
        --rounds) rounds=$2 ;;
        --seconds) seconds=$2 ;;
        --directory) directory=$2 ;;
        *) sed -n 's/^#   //p' "$0" >&2; exit 2 ;;
    esac
    shift 2
done

missing=()
for package in libc6-dev libpq-dev libsqlite3-dev postgresql redis-server; do
    dpkg -s "$package" > /dev/null 2>&1 || missing+=("$package")
done
for program in gcc python3; do
    command -v "$program" > /dev/null || missing+=("$program")
done
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "these packages are missing: ${missing[*]}" >&2
        exit 2
    fi
    apt-get update --quiet >&2
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends "${missing[@]}" >&2
fi

mkdir -p "$directory"
work=$(mktemp -d -p "$(realpath "$directory")")
sockets=$(mktemp -d /tmp/peers.XXXXXX) # A socket's path must be short.
chmod 755 "$work" "$sockets"
server=
stop() {
    [ -n "$server" ] || return 0
    kill "-${1:-TERM}" "$server" 2> /dev/null || true
    wait "$server" 2> /dev/null || true
    server=
}
trap 'stop INT; rm -rf "$work" "$sockets"' EXIT
trap 'exit 130' INT TERM

here=benches/peers
cargo build --release --locked --quiet
orderline=target/release/orderline
gcc -O2 -Wall -Wextra $here/sqlite.c -o "$work/sqlite" -lsqlite3 -lm
gcc -O2 -Wall -Wextra -pthread -I"$(pg_config --includedir)" $here/postgres.c -o "$work/postgres" -lpq -lm
gcc -O2 -Wall -Wextra $here/redis.c -o "$work/redis" -lm
postgres_bin=$(pg_config --bindir)

# PostgreSQL refuses to run as root; then it runs as the user that its package made.
as_postgres=()
[ "$(id -u)" != 0 ] || as_postgres=(setpriv --reuid postgres --regid postgres --clear-groups)

wait_for() {
    for _ in $(seq 300); do
        if "$@" > /dev/null 2>&1; then return; fi
        sleep 0.1
    done
    echo "a server did not start: $*; it said:" >&2
    cat "$work/said" >&2
    exit 1
}

place_in_sqlite() {
    for orders in 1 100; do
        mkdir "$work/data"
        "$work/sqlite" "$work/data/orders.db" "$seconds" $orders >> "$work/sqlite_$orders.json"
        rm -rf "$work/data"
    done
}

# More connections than eight are slower: they wait for the rows of popular SKUs, which are locked until the commit.
# With a hundred orders a transaction it is one connection, for two would lock each other's rows in crossed order.
place_in_postgres() {
    mkdir -p "$work/data"
    [ "$(id -u)" != 0 ] || chown postgres "$work/data" "$sockets"
    "${as_postgres[@]}" "$postgres_bin/initdb" --username postgres --auth trust --pgdata "$work/data/pg" > "$work/said"
    "${as_postgres[@]}" "$postgres_bin/postgres" -D "$work/data/pg" \
        -c listen_addresses= -c unix_socket_directories="$sockets" \
        -c fsync=on -c synchronous_commit=on -c full_page_writes=on -c wal_level=minimal -c max_wal_senders=0 \
        -c shared_buffers=1GB -c wal_buffers=64MB -c min_wal_size=2GB -c max_wal_size=8GB \
        -c checkpoint_timeout=30min -c jit=off > "$work/said" 2>&1 &
    server=$!
    wait_for "$postgres_bin/pg_isready" -h "$sockets" -U postgres
    "$postgres_bin/psql" -h "$sockets" -U postgres -q -v ON_ERROR_STOP=1 -f $here/postgres.sql
    "$work/postgres" "host=$sockets user=postgres" "$seconds" 8 1 >> "$work/postgres_1.json"
    "$work/postgres" "host=$sockets user=postgres" "$seconds" 1 100 >> "$work/postgres_100.json"
    stop INT
    rm -rf "$work/data"
}

place_in_redis() {
    mkdir "$work/data"
    redis-server --port 0 --unixsocket "$sockets/redis" --dir "$work/data" --save '' \
        --appendonly yes --appendfsync always --auto-aof-rewrite-percentage 0 > "$work/said" 2>&1 &
    server=$!
    wait_for redis-cli -s "$sockets/redis" ping
    "$work/redis" "$sockets/redis" $here/place.lua "$seconds" 50 1 1 >> "$work/redis_1.json"
    "$work/redis" "$sockets/redis" $here/place.lua "$seconds" 16 64 1 >> "$work/redis_pipelined.json"
    "$work/redis" "$sockets/redis" $here/place.lua "$seconds" 4 8 100 >> "$work/redis_100.json"
    stop
    rm -rf "$work/data"
}

place_in_orderline() {
    "$orderline" serve --data "$work/data" --listen 127.0.0.1:0 > "$work/ready" 2> "$work/said" &
    server=$!
    wait_for grep -q '^ready' "$work/ready"
    load() { "$orderline" load --connect "$(sed 's/^ready //' "$work/ready")" --seconds "$seconds" --json "$@" 2> /dev/null; }
    load --in-flight 1 >> "$work/orderline_alone.json"
    load --connections 8 --in-flight 1 >> "$work/orderline_8.json"
    load --connections 50 --in-flight 1 >> "$work/orderline_50.json"
    load --orders-per-frame 1 >> "$work/orderline_1.json"
    load >> "$work/orderline.json"
    stop
    rm -rf "$work/data"
}

for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    place_in_sqlite
    place_in_postgres
    place_in_redis
    place_in_orderline
done

export SQLITE_VERSION REDIS_VERSION POSTGRES_VERSION ORDERLINE_VERSION
SQLITE_VERSION=$(python3 - <<< 'import ctypes; f = ctypes.CDLL("libsqlite3.so.0").sqlite3_libversion
f.restype = ctypes.c_char_p; print(f().decode())')
REDIS_VERSION=$(redis-server --version | sed 's/.*v=\([0-9.]*\).*/\1/')
POSTGRES_VERSION=$("$postgres_bin/postgres" --version | sed 's/[^0-9]*\([0-9.]*\).*/\1/')
ORDERLINE_VERSION=$("$orderline" --version | sed 's/[^0-9]*//')
python3 - "$work" "$rounds" "$seconds" <<'PY'
import json, os, statistics, sys
work, rounds, seconds = sys.argv[1:]
rows = [
    ("SQLite", "in process, 1 order a transaction", "sqlite_1", "WAL, synchronous=FULL"),
    ("SQLite", "in process, 100 orders a transaction", "sqlite_100", "WAL, synchronous=FULL"),
    ("PostgreSQL", "8 connections, 1 order a transaction", "postgres_1", "fsync=on, synchronous_commit=on"),
    ("PostgreSQL", "1 connection, 100 orders a transaction", "postgres_100", "fsync=on, synchronous_commit=on"),
    ("Redis", "50 connections, 1 call under way on each", "redis_1", "AOF, appendfsync=always"),
    ("Redis", "16 connections, 64 calls under way on each", "redis_pipelined", "AOF, appendfsync=always"),
    ("Redis", "4 connections, 8 calls of 100 orders under way on each", "redis_100", "AOF, appendfsync=always"),
    ("Orderline", "1 connection, 1 order under way", "orderline_alone", "journal synced"),
    ("Orderline", "8 connections, 1 order under way on each", "orderline_8", "journal synced"),
    ("Orderline", "50 connections, 1 order under way on each", "orderline_50", "journal synced"),
    ("Orderline", "1 connection, 4,096 under way, 1 order a frame", "orderline_1", "journal synced"),
    ("Orderline", "1 connection, 4,096 under way (the default)", "orderline", "journal synced"),
]
print(f"| system | how (median of {rounds} rounds of {seconds} s) | orders/s | range | p50 us | p99 us | durable before the answer by |")
print("|---|---|---|---|---|---|---|")
for system, how, name, durable in rows:
    runs = [json.loads(line) for line in open(f"{work}/{name}.json")]
    rates = [run["orders_per_second"] for run in runs]
    p50, p99 = (statistics.median(run["latency_us"][at] for run in runs) for at in ("p50", "p99"))
    version = os.environ[system.replace("PostgreSQL", "Postgres").upper() + "_VERSION"]
    print(f"| {system} {version} | {how} | {statistics.median(rates):,.0f} | {min(rates):,.0f} to {max(rates):,.0f} "
          f"| {p50:,.0f} | {p99:,.0f} | {durable} |")
PY
