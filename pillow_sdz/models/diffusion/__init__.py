"""Denoising with a U-Net."""
