"""What the encoder does so that a file is never worse than a picture of its size needs to be.

- `detector` finds what must not be changed: lettering, faces and lattices.
"""
