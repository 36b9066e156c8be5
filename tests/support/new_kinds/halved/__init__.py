"""A payload kind as a contributor would add one: a folder, and its name in `pillow_sdz.payloads.kinds.KINDS`.

It stores the highest bits of each code, as plain bytes, and needs nothing of a model.
"""
