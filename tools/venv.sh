# Sourced by the scripts beside it: makes .venv with this package and the extras in $1, once per pyproject.toml.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python="${PYTHON:-python3}"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON" >&2; exit 2; }
stamp=".venv/installed-$(cat pyproject.toml tools/venv.sh | cksum | tr -d ' ')$1"
if [ ! -e "$stamp" ]; then
    .venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear .venv
    # This exact version has a CPU-only build in more places; a looser one may fetch gigabytes of CUDA.
    .venv/bin/python -c 'import torch' 2>/dev/null || .venv/bin/python -m pip install --quiet --disable-pip-version-check "torch==2.13.0"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".$1"
    touch "$stamp"
fi
export PATH="$PWD/.venv/bin:$PATH"
