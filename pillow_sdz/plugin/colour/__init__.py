"""ICC profiles and the colour spaces that the header can name.

- `spaces`: what each colour space is: its colorants and its tone curve.
- `profile`: reads the profiles that consist of three colorants and tone curves, or of one grey curve.
- `recognise`: which colour space such a profile is, by what it does.
- `build`: a small profile of a colour space.
"""
