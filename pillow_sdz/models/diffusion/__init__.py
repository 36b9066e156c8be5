"""Removing quantisation noise with a U-Net.

`denoise` picks the timesteps and adapts U-Nets; `schedulers` has the noise schedules and the methods to step down them.
"""
