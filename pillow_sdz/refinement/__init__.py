"""Refinement of latents: a few gradient steps through U-Net and decoder towards the original picture.

`structure` and `texture` are the distances between pictures that it makes smaller.
"""
