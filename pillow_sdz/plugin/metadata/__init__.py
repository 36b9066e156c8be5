"""What an image's metadata become when it is saved.

- `descriptive`: the tags of a TIFF that describe the picture.
- `edits`: EXIF as the program has left it, edited through ``image.getexif()`` or not.
- `levels`: how much of it all is stored, by the option ``metadata``.
- `exif`, `xmp`: which parts of EXIF and XMP that are.
- `keys`: where Pillow keeps EXIF and XMP in ``image.info``.
- `report`: telling a listener what was left out.
"""
