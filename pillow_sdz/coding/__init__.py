"""Lossless coding in whole numbers, the same on every machine; it knows nothing of pictures, latents and payloads.

Which coder is for what: `range_coder` codes symbols under adaptive probabilities that change with every symbol (index
planes and palettes), `rans` symbols under one of a few fixed tables, thousands at a time (scalar payloads), `deflate`
bytes whose statistics nobody models (metadata, filtered byte `planes` of alpha and direct codes), `bitpack` stores
indices as they are. `fixed_point` has the logarithms and powers that the models of the coders share, `boxes` the small
structures of the format.
"""
