#!/usr/bin/env bash
# The console in a real browser: every page on a phone and on a desktop, light and dark, and what people do with it.
#
#   tests/console.sh [FOLDER]
#
# With a folder it leaves a picture of every page there. It needs node and npm, and a Chromium (CHROMIUM says where, if it is
# not in the PATH). What it takes from npm is put into a folder of its own outside of the repository.
set -euo pipefail
cd "$(dirname "$0")/.."

. tests/console/browser.sh

cargo build --quiet
ORDERLINE="$(cargo metadata --format-version 1 --no-deps | node -e 'console.log(JSON.parse(require("fs").readFileSync(0)).target_directory)')/debug/orderline"
export ORDERLINE

place="${XDG_CACHE_HOME:-$HOME/.cache}/orderline-console-tests"
put_driver "$place" tests/console/*.mjs

export PICTURES="${1:+$(mkdir -p "$1" && cd "$1" && pwd)}"
exec node --test "$place/console.test.mjs"
