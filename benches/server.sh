# Sourced by the benches that configure a server: `start` runs "$binary" over "$directory/data" by "$directory/config.toml", and
# returns when it accepts ("${run_on[@]}" in front of it and "${more[@]}" behind, if set); "$server" is its process and "$address" where
# it listens. It goes with the bench, and "$directory" too.
binary=target/release/orderline
[ -x "$binary" ] || cargo build --release
directory="$(mktemp -d)"
server=
trap 'kill -9 $server 2> /dev/null || true; rm -rf "$directory"' EXIT

start() {
    : > "$directory/out"
    ${run_on[@]+"${run_on[@]}"} "$binary" serve --data "$directory/data" --listen 127.0.0.1:0 ${more[@]+"${more[@]}"} \
        --config "$directory/config.toml" \
        >> "$directory/out" 2> "$directory/err" &
    server=$!
    until grep -q ready "$directory/out"; do
        kill -0 "$server"
        sleep 0.05
    done
    address="$(awk '/ready/ { print $2 }' "$directory/out")"
}
