#!/usr/bin/env bash
# The console in a real browser: every page on a phone and on a desktop, light and dark, and what people do with it.
#
#   tests/console.sh [FOLDER]
#
# With a folder it leaves a picture of every page there. It needs node and npm, and a Chromium (CHROMIUM says where, if it is
# not in the PATH). What it takes from npm is put into a folder of its own outside of the repository.
set -euo pipefail
cd "$(dirname "$0")/.."

missing() {
    echo "tests/console.sh: $1" >&2
    exit 2
}

command -v node >/dev/null && command -v npm >/dev/null || missing "node and npm are not there; Debian has both as nodejs and npm."
CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[ -x "$CHROMIUM" ] || missing "there is no Chromium; Debian has it as chromium. CHROMIUM=/path/to/it names another one."
export CHROMIUM

cargo build --quiet
ORDERLINE="$(cargo metadata --format-version 1 --no-deps | node -e 'console.log(JSON.parse(require("fs").readFileSync(0)).target_directory)')/debug/orderline"
export ORDERLINE

place="${XDG_CACHE_HOME:-$HOME/.cache}/orderline-console-tests"
mkdir -p "$place"
cp tests/console/package.json tests/console/package-lock.json tests/console/*.mjs "$place/"
npm --prefix "$place" ci --no-audit --no-fund --ignore-scripts --loglevel=error >/dev/null ||
    missing "npm could not install playwright-core and axe-core."

export PICTURES="${1:+$(mkdir -p "$1" && cd "$1" && pwd)}"
exec node --test "$place/console.test.mjs"
