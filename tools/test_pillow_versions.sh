#!/usr/bin/env bash
# Run the plugin's tests against several releases of Pillow, on Linux or macOS:  bash tools/test_pillow_versions.sh [VERSION...]
# TESTS      pytest paths, separated by spaces; patterns are allowed
# PACKAGES   the Python whose packages are borrowed; without it, .venv is made as tools/test.sh makes it
tests="${TESTS:-tests/plugin}"
[ $# -gt 0 ] || set -- 11.3 12.0 13.0

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -z "${PACKAGES:-}" ]; then
    source tools/venv.sh "[test]"
    PACKAGES=.venv/bin/python
fi
borrowed=$("$PACKAGES" -c 'import sysconfig; print(*sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}), sep="\n")')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

count() { # FILE: passed, failed and skipped of a JUnit report
    "$PACKAGES" - "$1" <<'PYTHON'
import sys
from xml.etree import ElementTree

suite = ElementTree.parse(sys.argv[1]).getroot().find("testsuite")
total, failures, errors, skipped = (int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped"))
print(total - failures - errors - skipped, failures + errors, skipped)
PYTHON
}

row='%-10s %7s %7s %8s  %s\n'
# shellcheck disable=SC2059
table=$(printf "$row" Pillow passed failed skipped "")
status=0
for version; do
    note="" passed=- failed=- skipped=-
    environment="$work/$version" log="$work/$version.log"
    echo "== Pillow $version" >&2
    "$PACKAGES" -m venv --without-pip "$environment"
    python="$environment/bin/python"
    if ! "$PACKAGES" -m pip --python "$python" --disable-pip-version-check install --quiet --no-deps "Pillow==$version" 2>"$log"; then
        if grep -q "No matching distribution" "$log" && ! grep -q "from versions: none" "$log" &&
            ! grep "different python version" "$log" | grep -qwF "$version"; then
            note="no such release"
        else
            tail -n 5 "$log" >&2
            note="could not be installed"
            status=1
        fi
    else
        # torch and the other packages are large, so they are borrowed and not installed again. Lines of a .pth file are
        # appended to sys.path, behind the environment's own site-packages: its own Pillow is found first. .pth files of
        # the borrowed folder are not read, so the package under test is this checkout's, by the first line.
        printf '%s\n' "$PWD" "$borrowed" >"$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/borrowed.pth"
        if "$python" - "$environment" "$PWD" <<'PYTHON'; then
import sys
from pathlib import Path

import PIL
import pillow_sdz

environment, checkout = (Path(folder).resolve() for folder in sys.argv[1:])
assert environment in Path(PIL.__file__).resolve().parents, f"Pillow came from {PIL.__file__}"
assert checkout in Path(pillow_sdz.__file__).resolve().parents, f"pillow_sdz came from {pillow_sdz.__file__}"
PYTHON
            report="$work/$version.xml"
            # shellcheck disable=SC2086  # patterns are to be expanded
            "$python" -m pytest -p no:cacheprovider --junitxml="$report" $tests >&2 || { note="pytest: exit status $?"; status=1; }
            if [ -e "$report" ]; then
                counts=$(count "$report")
                read -r passed failed skipped <<<"$counts"
            fi
        else
            note="pillow_sdz could not be imported"
            status=1
        fi
    fi
    rm -rf "$environment"
    # shellcheck disable=SC2059
    table+=$'\n'$(printf "$row" "$version" "$passed" "$failed" "$skipped" "$note")
done
printf '%s\n' "$table"
exit "$status"
