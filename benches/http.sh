#!/usr/bin/env bash
# What the application tier carries, and what it costs the orders that come over TCP.
#
#     benches/http.sh [ROUNDS] [SECONDS]
#
# Four figures, each from servers of their own, ROUNDS (3) times, of SECONDS (6) each:
#   single  orders a second, each in a POST of its own, by wrk over 16, 64 and 256 kept-alive connections
#   bulk    a million orders as one stream of lines (curl), until the last answer has come
#   beside  orders a second over TCP as fast as they go: without HTTP, and with HTTP, read models, and somebody who looks at
#           the figures every second, as the console's overview does; the ratio is what counts
#   lag     how far searches lag behind while 100,000 orders a second come over TCP
# Generators and server share the processors. Needs wrk, curl and python3 and an otherwise idle machine; about four minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds="${1:-3}"
seconds="${2:-6}"
skus=10000
for tool in wrk curl python3; do
    command -v "$tool" > /dev/null || { echo "benches/http.sh: $tool is missing; Debian has it" >&2; exit 2; }
done
. benches/server.sh
: > "$directory/config.toml"

# A server of its own, with a shop of $skus SKUs in it; `$http` is where it answers HTTP.
fresh() {
    stop
    rm -rf "$directory/data"
    more=("$@")
    start
    http="$(awk '/ready/ { print $3 }' "$directory/out")"
    load --orders 1000
}

stop() {
    if [ -n "$server" ]; then
        kill "$server"
        wait "$server" || true
    fi
    server=
}

load() {
    "$binary" load --connect "$address" --skus "$skus" --json "$@" 2> /dev/null > "$directory/json"
}

rate() {
    grep -oE '"goodput_per_second":[0-9]+' "$directory/json" | cut -d: -f2
}

with_http=(--http 127.0.0.1:0)
for round in $(seq "$rounds"); do
    fresh "${with_http[@]}"
    for connections in 16 64 256; do
        wrk --threads 1 --connections "$connections" --duration "$seconds" --latency --script benches/http/post.lua \
            "http://$http" -- "$skus" > "$directory/wrk"
        refused="$(awk '/Non-2xx/ { print $NF }' "$directory/wrk")"
        awk -v connections="$connections" -v refused="${refused:-0}" '/50%/ { p50 = $2 } /99%/ { p99 = $2 } /Requests\/sec/ {
            printf "single  %d connections: %d orders/s, p50 %s, p99 %s, refused %s\n", connections, $2, p50, p99, refused }' \
            "$directory/wrk"
    done
done

orders=1000000
python3 benches/http/orders.py "$orders" "$skus" > "$directory/orders.ndjson"
for round in $(seq "$rounds"); do
    fresh "${with_http[@]}"
    took="$(curl --silent --show-error --request POST --upload-file "$directory/orders.ndjson" --header 'Content-Type: application/x-ndjson' \
        --output "$directory/answers" --write-out '%{time_total}' "http://$http/v1/bulk/orders")"
    accepted="$(grep -c '"outcome":"accepted"' "$directory/answers")"
    echo "bulk    $accepted of $orders accepted in $took s: $(python3 -c "print(int($accepted / $took))") orders/s"
done
rm "$directory/orders.ndjson" "$directory/answers"

look() {
    while curl --silent --output /dev/null "http://$http/v1/figures"; do sleep 1; done
}

ratios=
for round in $(seq "$rounds"); do
    fresh
    load --seconds "$seconds"
    alone="$(rate)"
    fresh "${with_http[@]}"
    look & looking=$!
    load --seconds "$seconds"
    kill "$looking"
    ratio="$(python3 -c "print('%.2f' % ($(rate) / $alone))")"
    ratios="$ratios $ratio"
    echo "beside  $alone orders/s without HTTP, $(rate) with it: $ratio"
done
echo "beside  median $(python3 -c "import statistics, sys; print(statistics.median(map(float, sys.argv[1:])))" $ratios)"

for round in $(seq "$rounds"); do
    fresh "${with_http[@]}"
    load --seconds "$((seconds + 3))" --rate 100000 & loading=$!
    sleep 2
    told="$(python3 benches/http/lag.py "$http" "$seconds")"
    wait "$loading"
    echo "lag     $told, at $(rate) orders/s"
done
