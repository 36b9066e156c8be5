"""The desktop: thumbnails in file managers, the file type, its icon.

- `thumbnailer`: the program ``sdz-thumbnailer``, which file managers run. `thumbnail` makes the picture with numpy
  alone (`resample`), `system_codecs` decodes stored pixels where Pillow cannot, `png` writes the file, `uris` reads the
  name of the other.
- `zipapp`: the same program as one file for the system's Python, with what it needs of this package.
- `install`: puts all of it in place, and away again. `contents` is what goes where, `record` what was written,
  `marked_block` a part of a file that others write, too, and `databases` are refreshed.
- ``data/``: the files themselves.

What the program imports needs Python, numpy and construct, and no Pillow, torch or click.
"""
