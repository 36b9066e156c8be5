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
ruff check .
ruff format --check .
mypy
lint-imports
python -m pytest "$@"
