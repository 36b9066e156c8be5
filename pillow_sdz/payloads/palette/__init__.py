"""The palette payload, as in Bühlmann's article of 2022: latent vectors palettised like the colours of a GIF.

`rate_control` turns a quality into palette sizes, `quantise` finds palettes and indices (by `kmeans`, starting from
`libimagequant`), `layers` frames them, `palette_coder` and `index_coder` write them in the fewest bytes; the strongest
index coding is that of `context_coder`, with the probabilities of `context_model` and `context_tables`, in the order of
`wavefront`. `payload` is the interface to all of it.
"""
