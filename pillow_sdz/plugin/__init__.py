"""Everything that knows Pillow's plugin interface.

- `image_file`: opening, and registering the format with Pillow.
- `save`, `save_keywords`: saving, and checking its keywords.
- `pixels`: converting between images of Pillow's modes and arrays.
- `info`: converting between ``image.info`` and the metadata of a file.
- `metadata`: what of an image's metadata is saved.
- `colour`: ICC profiles and the colour spaces that the header can name.
- `atomic_file`: writing a file whole or not at all.
"""
