"""Models made from checkpoints of Stable Diffusion.

- `add` adds and uninstalls models.
- `sources` reads a checkpoint from wherever it is: `pipeline` a folder, `single_file` a file, `hub` a repository.
- `checkpoint` is a checkpoint in memory; `empty_prompt` computes the unconditional embedding.
- `new_folder` writes the model, with what `calibration` measures of its autoencoder.
"""
