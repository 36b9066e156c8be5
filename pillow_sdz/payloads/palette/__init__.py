"""The palette payload, as in Bühlmann's article of 2022: latent vectors palettised like the colours of a GIF.

This is vector quantisation. `rate_control` maps a quality to palette sizes. `quantise` finds palettes and indices, by
`kmeans` and starting from `libimagequant` where that can be used. `layers` writes and reads layer bodies, whose two
parts are coded by `palette_coder` and one of `index_codings`. The strongest index coding is `context_index_coder`, with
the frequencies of `context_model` (initial state: `context_tables`), in the order of `wavefront`. `payload` is the
interface that the rest of the package uses.
"""
