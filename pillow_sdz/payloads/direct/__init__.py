"""The direct payload: the 8-bit codes themselves, packed without loss."""
