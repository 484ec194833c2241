#!/usr/bin/env bash
# The arenas and the mapped journal under AddressSanitizer and ThreadSanitizer, and the models of the threads under loom.
#
#     tests/sanitizers.sh [address|thread|loom...]      all without an argument
#
# The stable toolchain does: its sanitizer runtimes come with it, and RUSTC_BOOTSTRAP=1 lets it link them. Its standard library is not
# built with them. Of that ThreadSanitizer sees what is inlined into our packages; for the rest there is tests/thread_sanitizer.supp.
set -euo pipefail
cd "$(dirname "$0")/.."
host="$(rustc -vV | sed -n 's/^host: //p')"
[ "$#" -gt 0 ] || set -- address thread loom

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
        thread)
            export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer"
            export TSAN_OPTIONS="exitcode=66 suppressions=$PWD/tests/thread_sanitizer.supp"
            echo "== ThreadSanitizer: the arenas, the rings and the seam of snapshots, by the core's own tests and the engine's"
            cargo test --locked -p orderline-core --lib --test engine --test snapshots --target "$host" --target-dir target/tsan
            echo "== ThreadSanitizer: the mapped journal, by its tests with threads and with crashes"
            cargo test --locked -p orderline-journal --lib --test journal --target "$host" --target-dir target/tsan \
                -- live:: crash:: golden:: tests::
            unset RUSTC_BOOTSTRAP RUSTFLAGS TSAN_OPTIONS
            ;;
        loom)
            echo "== loom: watermark, two who sync, bell, board, rings, seam of snapshots"
            RUSTFLAGS="--cfg loom" cargo test --release --locked --manifest-path loom/Cargo.toml --target-dir target/loom
            ;;
        *)
            echo "$part is not known; known are address, thread and loom" >&2
            exit 2
            ;;
    esac
done
