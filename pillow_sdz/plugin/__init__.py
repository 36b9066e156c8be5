"""Everything that knows Pillow's plugin interface.

- `image_file`: opening, and registering the format with Pillow.
- `save`, `save_keywords`: saving, and checking its keywords.
- `pixels`: between Pillow's modes and arrays.
- `info`: between ``image.info`` and what a file holds.
- `atomic_file`: writing a file whole or not at all.
"""
