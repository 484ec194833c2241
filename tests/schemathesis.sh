#!/usr/bin/env bash
# The JSON API against what its own description allows and forbids, by schemathesis: no 5xx, no status, content type or body that is not
# described, nothing refused that is well formed, nothing taken that is not, nobody let in without a token.
#
#   tests/schemathesis.sh [CALLS]
#
# It makes at least so many calls (20,000 if it is not said), in rounds under the seeds SEED (1), SEED + 1, ...; in turn as the operator
# and as a seller, each against a server of its own with example data, whose directory is verified at the end. It prints every
# finding with a curl command, then how many calls there were and what they were answered with; the exit code is 0 if there was no
# finding. It needs python3 with venv; what it takes from PyPI is put into a folder of its own outside of the repository.
set -euo pipefail
cd "$(dirname "$0")/.."

missing() {
    echo "tests/schemathesis.sh: $1" >&2
    exit 2
}

calls=${1:-20000}
[[ $calls =~ ^[1-9][0-9]*$ ]] || missing "CALLS is a number; $calls is none."
command -v python3 >/dev/null || missing "python3 is not there; Debian has it as python3."
python3 -c 'import ensurepip, venv' 2>/dev/null || missing "python3 makes no environments; Debian has what that needs as python3-venv."

place="${XDG_CACHE_HOME:-$HOME/.cache}/orderline-schemathesis"
wanted=$(sha256sum tests/schemathesis/requirements.txt | cut -c1-16)
if [ ! -x "$place/$wanted/bin/schemathesis" ]; then
    python3 -m venv "$place/$wanted"
    "$place/$wanted/bin/pip" install --quiet --disable-pip-version-check --requirement tests/schemathesis/requirements.txt ||
        missing "pip could not install what tests/schemathesis/requirements.txt lists."
fi

cargo build --quiet
ORDERLINE="$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')/debug/orderline"
export ORDERLINE SCHEMATHESIS="$place/$wanted/bin/schemathesis"
exec python3 tests/schemathesis/run.py "$calls"
