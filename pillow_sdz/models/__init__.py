"""Models: folders of weights that turn pictures into latents and back.

- `registry` finds models by name or fingerprint, and loads each once per process and runtime.
- `manifest` is what ``model.json`` says, with `code_mapping` and `graph_files`, checked by `manifest_fields`.
  `fingerprint` is how .sdz files name a model.
- `model_data` keeps a model's small files (prior, preview networks), which `listed_files` reads; `preview_file` is the
  manifest's entry of preview networks.
- `shipped` is where the models of the package are, also within a ZIP archive (`archived`).
- `progress` tells listeners how far the networks are; `fork_lock` is a lock that survives a fork.
- `integrity` checks a model's files against its manifest; `configuration` reads ``config.json``.
- `model` is a model in memory, which works in the windows of `tiling`; `protocols` is what it asks of its networks.
- `choice` chooses the runtime that decodes a picture.
- torch: `torch_model` runs the networks, `loading` builds them from a folder: `weights` reads safetensors,
  `diffusers_parts` builds diffusers' classes, `embedding` reads the unconditional embedding. `runtime` chooses device
  and number type, and isolates torch from the host program.
- ONNX Runtime: `onnx_model` decodes with the graphs of a model, which `onnx_sessions` runs; `half_weights` reads
  float16 weights without torch.
- ``networks/`` are this project's networks, ``diffusion/`` removes noise with a U-Net, ``checkpoints/`` adds models.

Importing a module here imports no torch, except for `weights` and ``networks/``, which are imported within functions.
"""
