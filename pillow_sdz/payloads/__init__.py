"""Payload kinds: how the 8-bit codes of a latent are stored."""
