"""The scalar payload, the default: closed-loop predictive coding with a uniform quantiser and a learned predictor.

`rate_control` maps a quality to a step of the quantiser. `coder` visits the latent in the order of `scan`, predicts
each value by the networks of `prior`, quantises the prediction residual to a level, and entropy codes the level with
the frequencies of `tables`. `payload` is the interface that the rest of the package uses.
"""
