#!/usr/bin/env bash
# Install everything the tests need into .venv and run them all:  bash tools/test.sh [PYTEST ARGUMENTS]
source "$(dirname "$0")/venv.sh" "[test]"
ruff check .
ruff format --check .
mypy
python -m pytest "$@"
