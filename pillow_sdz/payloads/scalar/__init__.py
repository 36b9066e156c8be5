"""The scalar payload, the default: closed-loop predictive coding with a uniform quantiser and a learned predictor.

`rate_control` maps a quality to a step of the quantiser. `traversal` visits the latent in the order of `scan` and
predicts each value by the networks of `prior`. `encoder` quantises the prediction residual to a level, and entropy
codes the level with the frequencies of `tables`; `decoder` undoes that. `payload` is the interface that the rest of the
package uses.
"""
