"""Everything that knows Pillow's plugin interface.

`image_file` opens and registers the format, `save` saves, with the keywords of `save_keywords`; `pixels` converts
between Pillow's modes and arrays, `info` between ``image.info`` and what a file holds. An `atomic_file` appears whole
or not at all.
"""
