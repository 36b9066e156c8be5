"""What the encoder does so that a file is never worse than a picture of its size needs to be.

- `detector` finds what must not be changed: lettering, faces and lattices. `failure` says how far each cell of the
  decoded picture is from the original, and `periodicity` what of the picture is regular structure.
- `findings` puts these together: regions of cells (`components`) that came out wrong, and the rectangles that cover
  them (`rectangles`).
- `purchases` chooses what to store as pixels, in a quality of `settings`, and asks `comparison` whether that is closer.
"""
