"""Networks of this project, in plain torch, which every module here imports.

- `autoencoder`, made of `autoencoder_blocks`, and `latent_unet` are the networks of the shipped model.
- `detector` finds lettering, faces and lattices, for the encoder.
- `base` is what they have in common.
- `winograd` makes wide convolutions faster on CPUs.
"""
