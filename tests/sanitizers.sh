#!/usr/bin/env bash
# The arenas and the mapped journal under AddressSanitizer, and the models of the threads under loom.
#
#     tests/sanitizers.sh [address|loom...]      both without an argument
#
# The stable toolchain does: its sanitizer runtimes come with it, and RUSTC_BOOTSTRAP=1 lets it link them.
set -euo pipefail
cd "$(dirname "$0")/.."
host="$(rustc -vV | sed -n 's/^host: //p')"
[ "$#" -gt 0 ] || set -- address loom

for part in "$@"; do
    case "$part" in
        address)
            export RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address
            echo "== AddressSanitizer: the arenas, by the core's own tests and the model"
            cargo test --locked -p orderline-core --lib --test model --target "$host" --target-dir target/asan
            echo "== AddressSanitizer: the mapped journal, by all of its tests"
            cargo test --locked -p orderline-journal --lib --tests --target "$host" --target-dir target/asan
            unset RUSTC_BOOTSTRAP RUSTFLAGS
            ;;
        loom)
            echo "== loom: watermark, two who sync, bell, board, rings, seam of snapshots"
            RUSTFLAGS="--cfg loom" cargo test --release --locked --manifest-path loom/Cargo.toml --target-dir target/loom
            ;;
        *)
            echo "$part is not known; known are address and loom" >&2
            exit 2
            ;;
    esac
done
