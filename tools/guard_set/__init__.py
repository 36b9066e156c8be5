"""A fixed set of pictures on which generative codecs go wrong, and what they and other codecs make of it.

    python tools/guard_set/build.py OUT --photos FOLDER
    python tools/guard_set/score.py OUT --save quality=50 --json RESULT.json

`build` writes PNG files and ``manifest.json``: text with its truth, faces, lattices and QR codes, each with its box.
Nothing of it is downloaded: photos are those that scikit-image and matplotlib ship, and those of FOLDER that
`photos` names; the rest is rendered. `score` saves each picture as .sdz, and as AVIF and WebP of the same size, and
measures what is left of all that. ``pip install '.[guardset]'`` installs what both need; the scorer also needs
tesseract with four languages: ``apt install tesseract-ocr tesseract-ocr-ell tesseract-ocr-rus tesseract-ocr-jpn``.

Photos of FOLDER that are in the set must not be trained on: ``held_out.txt`` lists those that `photos` adds to a list
that the owner of FOLDER has.
"""
