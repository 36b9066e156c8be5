"""Lossless coding in integer arithmetic, with the same result everywhere; independent of pictures, latents, payloads.

- `range_coder`: symbols with adaptive frequencies, which change with every symbol (index planes and palettes).
- `rans`: symbols with one of a few fixed frequency tables, thousands at a time (scalar payloads).
- `deflate`: bytes without a model of their own (metadata; the byte planes of alpha and of direct codes).
- `planes`: byte planes (alpha, direct codes), filtered and then deflated.
- `bitpack`: indices in a fixed number of bits each, not compressed.
- `fixed_point`: the integer logarithms and powers that context models and frequency tables are computed with.
- `products` and `threads`: exact matrix products, and large ones in parts (priors and preview networks).
- `boxes`: parsing and building the fixed structures of the format (header, section heads, layer heads).
"""
