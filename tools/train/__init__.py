"""The pipeline that trains a model and exports it. ``--help`` describes each program; RUNS.md says what was measured.

Programs:

- `train`: trains one stage of a configuration (configs/), stops and resumes at any step.
- `export`: turns a checkpoint into a model folder that pillow_sdz loads.
- `preview`: fits the preview networks of a model folder, and writes them into it.
- `unet_gain`: how much the U-Net improves pictures that are decoded from the same codes.
- `detector`: trains the detector of lettering, faces and lattices; `detector_teacher` and `detector_cells` label photos
  for it before, `detector_evaluate` measures it.

What is trained:

- `model`: autoencoder, latent U-Net and prior; `checkpoint` stores them, with moving average and optimiser.
- `prior`: the prior in float32; `prior_file` rounds it to the whole numbers that a model folder holds.
- `preview_network`: the networks that `preview` fits.
- `adversary`: a discriminator, trained beside the model.

What the detector learns from: `detector_photos` (crops of photos and their labels), `detector_text` (lettering),
`detector_lattices`, `detector_documents` (pages, code, windows, charts, drawings); `detector_data` puts it together.

A step of training, in the order in which it happens:

- `stages`: settings of a stage, and how they change from step to step.
- `data`: crops of photos; `text` writes words on some of them.
- `draws`: the random numbers of a step.
- `forward`: pictures through the networks, and through a model of what a file stores; `bottleneck` has its parts.
- `losses`: distances between pictures; `perceptual` has those that are networks.
- `muon`: the optimiser.
- `graph`: the step as a CUDA graph.
- `evaluate`: scores on held-out photos, every so many steps.

Faster forms with gradients, for training on a CPU: `fast` (normalisation, LPIPS) and `winograd` (3x3 convolutions).
`prior`, `perceptual` and `winograd` are the training forms of the modules of those names in pillow_sdz.
"""
