"""Removing quantisation noise with a U-Net.

`denoise` picks the timesteps and adapts U-Nets; `noise_schedule` checks the noise
schedules, and `ddim` and `schedulers` have the methods to step down them.
"""
