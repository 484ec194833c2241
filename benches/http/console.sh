#!/usr/bin/env bash
# What somebody with the console's overview open in a browser costs the orders that come over TCP.
#
#     benches/http/console.sh [ROUNDS] [SECONDS]
#
# A round runs orders over TCP as fast as they go, SECONDS (8) each, against servers of their own, three times, in a turn that
# changes from round to round (ROUNDS, 6):
#   without  nobody looks, and there is no HTTP
#   other    a headless Chromium has the overview of another server open, which is idle; the one that is measured has no HTTP
#   with     the Chromium has the overview of the one that is measured open
# So `with` to `without` is what this machine loses, on whose processors the browser runs as well; `with` to `other` is what the
# server itself does for its console. Beside each rate stand the seconds of processor time that the server and the browser took.
# Needs what tests/console.sh needs, python3, and an otherwise idle machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds="${1:-6}"
seconds="${2:-8}"
skus=10000

. tests/console/browser.sh
. benches/server.sh
: > "$directory/config.toml"
place="$directory/browser"
put_driver "$place" benches/http/console.mjs

# The idle server that `other` looks at.
"$binary" serve --data "$directory/idle" --listen 127.0.0.1:0 --http 127.0.0.1:0 > "$directory/idle.out" 2> /dev/null &
idle=$!
browser=
trap 'kill -9 $server $idle $browser 2> /dev/null || true; rm -rf "$directory"' EXIT
until grep -q ready "$directory/idle.out"; do
    kill -0 "$idle"
    sleep 0.05
done

load() {
    "$binary" load --connect "$address" --skus "$skus" --json "$@" 2> /dev/null > "$directory/json"
}

# Opens the overview at an address that answers HTTP.
look() {
    mkfifo "$directory/stay"
    node "$place/console.mjs" "http://$1" < "$directory/stay" > "$directory/looked" 2>&1 &
    browser=$!
    exec 3> "$directory/stay"
    until grep -q open "$directory/looked"; do
        kill -0 "$browser" || { cat "$directory/looked" >&2; exit 1; }
        sleep 0.05
    done
}

# Measures one of the three: its rate, and the seconds that the server and the browser took meanwhile.
measure() {
    more=()
    [ "$1" != with ] || more=(--http 127.0.0.1:0)
    rm -rf "$directory/data"
    start
    load --orders 1000
    case "$1" in
        with) look "$(awk '/ready/ { print $3 }' "$directory/out")" ;;
        other) look "$(awk '/ready/ { print $3 }' "$directory/idle.out")" ;;
    esac
    local server_before browser_before=0 browser_behind=0
    server_before="$(python3 benches/http/cpu.py "$server")"
    [ -z "$browser" ] || browser_before="$(python3 benches/http/cpu.py "$browser")"
    load --seconds "$seconds"
    [ -z "$browser" ] || browser_behind="$(python3 benches/http/cpu.py "$browser")"
    told="$(grep -oE '"goodput_per_second":[0-9]+' "$directory/json" | cut -d: -f2)"
    echo "$1 $told $server_before $(python3 benches/http/cpu.py "$server") $browser_before $browser_behind" >> "$directory/told"
    if [ -n "$browser" ]; then
        exec 3>&-
        wait "$browser"
        browser=
        rm "$directory/stay"
        tail -1 "$directory/looked" >> "$directory/looks"
    fi
    kill "$server"
    wait "$server" || true
}

: > "$directory/looks"
turns=("without other with" "with without other" "other with without")
for round in $(seq "$rounds"); do
    : > "$directory/told"
    for which in ${turns[$((round % 3))]}; do
        measure "$which"
    done
    cat "$directory/told" >> "$directory/all"
    python3 benches/http/ratios.py < "$directory/told"
done
echo "over all rounds:"
python3 benches/http/ratios.py < "$directory/all"
echo "the browser's looks, each time: $(grep -oE '"looks":[0-9]+' "$directory/looks" | cut -d: -f2 | tr '\n' ' ')"
! grep -v '"trouble":\[\]' "$directory/looks"
