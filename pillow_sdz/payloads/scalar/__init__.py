"""The scalar payload, the default: uniformly quantised errors of a learned prediction.

`rate_control` turns a quality into a step of the quantiser; `coder` visits the latent in the order of `scan`, lets the
network in `prior` predict each value, quantises the error and codes it with the frequencies of `tables`. `payload` is
the interface to all of it.
"""
