"""Payload kinds: how the 8-bit codes of a latent are stored in a file.

Each kind is a folder here, whose module ``payload`` has an object ``PAYLOAD`` with the interface of
`pillow_sdz.payloads.protocol.Payload`. `kinds` lists them. Header, codec, options, command line and report get a
kind from there, and use nothing of it but that interface.

`codes` maps latents to codes and back, `preview_networks` and `preview_matrix` turn codes into a thumbnail,
`weights_file` reads a model's integer networks, and `rate_control` holds what the ``rate_control`` modules of the kinds
share.
"""
