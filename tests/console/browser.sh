# What scripts that drive a real browser need, for tests/console.sh and benches/http/console.sh, which read it from the project's
# folder: CHROMIUM is set, and `put_driver FOLDER FILE...` puts what drives it into a folder, and the files beside it.

missing() {
    echo "$0: $1" >&2
    exit 2
}

command -v node > /dev/null && command -v npm > /dev/null || missing "node and npm are not there; Debian has both as nodejs and npm."
CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[ -x "$CHROMIUM" ] || missing "there is no Chromium; Debian has it as chromium. CHROMIUM=/path/to/it names another one."
export CHROMIUM

put_driver() {
    local folder="$1"
    shift
    mkdir -p "$folder"
    cp tests/console/package.json tests/console/package-lock.json "$@" "$folder/"
    npm --prefix "$folder" ci --no-audit --no-fund --ignore-scripts --loglevel=error > /dev/null ||
        missing "npm could not install playwright-core and axe-core."
}
