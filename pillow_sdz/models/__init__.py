"""Models: folders of weights that turn pictures into latents and back.

- `registry` finds models by name or fingerprint, and loads each once per process.
- `manifest` is what ``model.json`` says; `fingerprint` is how .sdz files name a model.
- `integrity` checks a model's files against its manifest; `configuration` reads ``config.json``.
- `loading` builds the networks of a model's folder: `weights` reads safetensors, `diffusers_parts` builds diffusers'
  classes, `embedding` reads the unconditional embedding.
- `runtime` chooses device and number type, and isolates torch from the host program.
- `model` is a model in memory, which works in the windows of `tiling`; `protocols` is what it asks of its networks.
- ``networks/`` are this project's networks, ``diffusion/`` removes noise with a U-Net, ``checkpoints/`` adds models.

Importing a module here imports no torch, except for `weights` and ``networks/``, which are imported within functions.
"""
