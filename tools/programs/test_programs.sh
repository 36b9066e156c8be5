#!/usr/bin/env bash
# Test the programs of the README's table, all of them:  bash tools/programs/test_programs.sh [PYTEST ARGUMENTS]
# Programs that are not in the extra [test] are installed into environments of their own, 2 GB in all, which are kept in
# .pytest_cache/d/programs. Without an index of packages to install from, these tests fail.
source "$(dirname "$0")/../venv.sh" "[test]"
export PILLOW_SDZ_PROGRAMS=1 OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
[ $# -gt 0 ] || set -- tests/programs
exec python -m pytest -vv --durations=10 "$@"
