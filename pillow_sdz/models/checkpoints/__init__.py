"""Models made from checkpoints of Stable Diffusion."""
