"""What each stage of encoding and decoding does to a picture: for people (a page, a sheet) and programs (JSON).

`stages` computes, `measures` compares with the original, `draw` and `channels` show and explain latents, `rivals` asks
other codecs for the same number of bytes, `page`, `sheet` and `numbers` write. The codec knows nothing of this package.
"""
