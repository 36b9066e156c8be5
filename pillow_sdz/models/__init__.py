"""Models: folders of weights, found by name or fingerprint. The only place of the package that imports torch.

`manifest` and `registry` find and describe models without torch; `load` brings a model into memory.
"""
