"""Checks a refactoring: whether this tree writes the same bytes, and decodes the same pixels, as another commit.

    python tools/compare_commits.py COMMIT PHOTO...

Saves and opens each photo with several options in both trees, each in a process of its own, and prints the SHA-256 of
every file, and of its pixels, decoded in float32. Then it runs the tests of golden files and of pinned encodings in
this tree. Exit status 0: nothing differs, and the tests pass.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]

TESTS = ("tests/format/test_vectors.py", "tests/format/test_encoding_guard.py")

PROGRAM = """
import hashlib, io, json, sys
import pillow_sdz
from PIL import Image

OPTIONS = {
    "default": {}, "quality 15": {"quality": 15}, "quality 95": {"quality": 95}, "step 40": {"step": 40},
    "colors 64": {"colors": 64}, "colors 128, 32": {"colors": (128, 32)}, "direct": {"payload": "direct"},
    "palette": {"payload": "palette"}, "target 4000": {"target_size": 4000},
}
found = {}
for path in sys.argv[1:]:
    for mode in ("RGB", "L"):
        photo = Image.open(path).convert(mode)
        photo.info.clear()
        for name, options in (OPTIONS if mode == "RGB" else {"default": {}}).items():
            stream = io.BytesIO()
            photo.save(stream, "SDZ", **options)
            data = stream.getvalue()
            pixels = Image.open(io.BytesIO(data)).convert("RGB").tobytes()
            found[f"{path}, {mode}, {name}"] = [
                len(data), hashlib.sha256(data).hexdigest(), hashlib.sha256(pixels).hexdigest()
            ]
print(json.dumps(found))
"""


def run(tree: Path, photos: list[Path]) -> dict[str, tuple[int, str, str]]:
    """Save and open the photos with a tree's code.

    Returns:
        Photo, mode and options -> size in bytes, SHA-256 of the file, SHA-256 of the pixels.
    """
    environment = os.environ | {"PYTHONPATH": str(tree), "PILLOW_SDZ_DTYPE": "float32"}
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, photos)], env=environment, cwd=tree, check=True, capture_output=True
    )
    return {key: (size, file, pixels) for key, (size, file, pixels) in json.loads(process.stdout).items()}


def main() -> int:
    """Compare and print; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    arguments = parser.parse_args()
    photos = [photo.resolve() for photo in arguments.photos]
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", other, arguments.commit], cwd=ROOT, check=True)
        try:
            before = run(other, photos)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", other], cwd=ROOT, check=True)
    after = run(ROOT, photos)
    different = 0
    for key, (size, file, pixels) in after.items():
        same = before[key] == (size, file, pixels)
        different += not same
        name = f"{Path(key.split(', ')[0]).name}, {key.split(', ', 1)[1]}"
        verdict = "same     " if same else "DIFFERENT"
        print(f"{verdict}  {name:40}  {size:8,} bytes  file {file[:12]}  pixels {pixels[:12]}")
    print(f"{len(after) - different} of {len(after)} files and pictures are those of {arguments.commit}")
    tests = subprocess.run([sys.executable, "-m", "pytest", "-q", *TESTS], cwd=ROOT, check=False)
    return int(bool(different or tests.returncode))


if __name__ == "__main__":
    sys.exit(main())
