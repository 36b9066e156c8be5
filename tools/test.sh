#!/usr/bin/env bash
# Install everything the tests need into .venv, check the code and test it:  bash tools/test.sh [--fast] [PYTEST ARGUMENTS]
# --fast leaves out the tests marked slow; without it everything runs.
if [ "${1:-}" = --fast ]; then
    shift
    set -- -m "not slow" "$@"
fi
source "$(dirname "$0")/venv.sh" "[test]"
# The report's page is tested in a real browser. Where there is none, that test says how to get one.
if [ -z "${CHROMIUM:-}" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null &&
    ! command -v chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable >/dev/null; then
    echo "installing Chromium for the tests of the report" >&2
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium-headless-shell; } >/dev/null ||
        echo "Chromium could not be installed" >&2
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
