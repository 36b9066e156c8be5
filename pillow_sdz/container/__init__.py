"""The container of a file: all of its bytes but the bodies of layers, which `pillow_sdz.payloads` codes.

`magic` has the signature of the format, `header` the fixed fields after it, `sections` the typed and checksummed
sections that follow, `metadata` the contents of those for ICC, EXIF, XMP and text, `metadata_codings` how they are
compressed: with the preset `dictionary`, and EXIF (`tiff`) as `compact_exif`. `colour_spaces` has their names,
`orientation` how a picture is turned.
"""
