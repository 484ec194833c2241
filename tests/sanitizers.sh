#!/usr/bin/env bash
# The unsafe islands and the threads, under AddressSanitizer and ThreadSanitizer, and the models of the threads under loom.
#
#     tests/sanitizers.sh [address|thread|loom...]      all three without an argument
#
# The stable toolchain does: its sanitizer runtimes come with it, and RUSTC_BOOTSTRAP=1 lets it link them. The standard
# library itself is not instrumented, for its source is no part of that toolchain: what it does inline in our code (locks,
# channels, reference counts) is seen, and starting and joining threads is told by the runtime.
set -euo pipefail
cd "$(dirname "$0")/.."
host="$(rustc -vV | sed -n 's/^host: //p')"
[ "$#" -gt 0 ] || set -- address thread loom
export MODEL_COMMANDS="${MODEL_COMMANDS:-200000}"

sanitized() {
    local sanitizer="$1"
    shift
    RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=$sanitizer -Cunsafe-allow-abi-mismatch=sanitizer" \
        cargo test --quiet --locked --target "$host" --target-dir "target/sanitizers/$sanitizer" "$@"
}

for part in "$@"; do
    case "$part" in
        address)
            echo "== AddressSanitizer: arenas under the model, mappings under the journal's tests"
            sanitized address -p orderline-core --lib --test model
            sanitized address -p orderline-journal --lib --test journal
            ;;
        thread)
            echo "== ThreadSanitizer: journal, engine, snapshots, gateway"
            sanitized thread -p orderline-journal --test journal
            sanitized thread -p orderline-core --test engine --test snapshots
            sanitized thread -p orderline-gateway --test gateway
            ;;
        loom)
            echo "== loom: watermark, two who sync, bell, board"
            LOOM_LOG=0 RUSTFLAGS="--cfg loom" cargo test --release --locked --manifest-path loom/Cargo.toml \
                --target-dir target/loom
            ;;
        *)
            echo "$part is not known; known are address, thread and loom" >&2
            exit 2
            ;;
    esac
done
