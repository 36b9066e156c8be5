"""Refinement of latents: a few gradient steps through the decoder, towards the original picture.

`schedule` says how many an effort takes, `refine` takes them, and `objective` is what they make smaller: distances of
`structure` and of what the encoder sees. `texture` is a distance for training.
"""
