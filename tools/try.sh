#!/usr/bin/env bash
# From a photo to a .sdz and back:  bash tools/try.sh [PHOTO]
# Without a photo it takes the astronaut that scikit-image ships. Results go to the current folder's try/ subfolder.
here=$PWD
source "$(dirname "$0")/venv.sh" ""
cd "$here"
mkdir -p try
if [ $# -eq 0 ]; then
    python -c 'import skimage' 2>/dev/null || python -m pip install --quiet --disable-pip-version-check "scikit-image>=0.25"
    python -c 'import skimage.data, PIL.Image; PIL.Image.fromarray(skimage.data.astronaut()).save("try/astronaut.png")'
    set -- try/astronaut.png
fi
name=$(basename "${1%.*}")
sdz-convert --force "$1" -o "try/$name.sdz"
sdz-convert --force "try/$name.sdz" -o "try/$name-decoded.png"
sdz-convert --info "try/$name.sdz"
wc -c "$1" "try/$name.sdz" "try/$name-decoded.png"
