#!/usr/bin/env bash
# Install everything the tests need into .venv, check the code and test it:  bash tools/test.sh [--fast] [PYTEST ARGUMENTS]
# --fast leaves out the tests marked slow; without it everything runs.
if [ "${1:-}" = --fast ]; then
    shift
    set -- -m "not slow" "$@"
fi
source "$(dirname "$0")/venv.sh" "[test]"
# Pages are tested in a real browser: where there is none, those tests fail and say how to get one. Tests of file types
# and of the system's Python are skipped where their programs are missing.
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    missing=()
    if [ -z "${CHROMIUM:-}" ] &&
        ! command -v chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable >/dev/null; then
        missing+=(chromium-headless-shell)
    fi
    if ! { command -v gio && command -v update-mime-database && command -v file && /usr/bin/python3 -c "import numpy"; } &>/dev/null; then
        missing+=(file libglib2.0-bin libheif1 libwebp7 python3-numpy shared-mime-info)
    fi
    if [ "${#missing[@]}" -gt 0 ]; then
        echo "installing for the tests: ${missing[*]}" >&2
        { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}"; } >/dev/null ||
            echo "they could not be installed" >&2
    fi
fi
# The checks of the code run beside the tests, which have one process for each core, of one OpenMP thread: threads of
# processes that share cores wait for each other.
checks="$(mktemp)"
{ ruff check . && ruff format --check . && mypy && lint-imports; } >"$checks" 2>&1 &
checking=$!
tests=0
OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" python -m pytest --numprocesses auto --dist worksteal "$@" || tests=$?
checked=0
wait "$checking" || checked=$?
cat "$checks"
rm "$checks"
exit "$((tests > checked ? tests : checked))"
