"""A training configuration in miniature, for the tests of the training pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Final

TOOLS: Final = Path(__file__).parents[2] / "tools" / "train"
"""The folder of the training programs."""

CONFIG: Final = """
[model]
name = "small"
version = 3
latent_bound = 3.0
[model.vae]
latent_channels = 4
encoder_block_types = "ResBlock"
decoder_block_types = "ResBlock"
encoder_block_out_channels = [8, 16, 32, 64]
decoder_block_out_channels = [8, 16, 32, 64]
encoder_layers_per_block = [0, 1, 1, 1]
decoder_layers_per_block = [0, 1, 1, 1]
encoder_qkv_multiscales = [[], [], [], []]
decoder_qkv_multiscales = [[], [], [], []]
upsample_block_type = "pixel_shuffle"
downsample_block_type = "pixel_unshuffle"
[model.unet]
in_channels = 4
block_out_channels = [8, 12]
layers_per_block = [1, 1]
time_channels = 8
[model.prior]
groups = 2
wide = 16
deep = 8
[data]
held_out = 1
exclude = ["retina"]
[stages.autoencoder]
denoise = false
train = { encoder = 1.0, decoder = 1.0 }
bottleneck = "palette"
optimiser = "adam"
text = 0.0
seed = 1
steps = 20
crop = 128
photos = 1
crops = 2
learning_rate = 1e-3
warmup = 3
weight_decay = 0.0
clip = 1.0
average = 0.9
clean = 0.3
noise = 0.3
noise_most = 0.3
entries = [8, 64]
vgg_crop = 64
vgg_pictures = 2
log_every = 5
save_every = 5
evaluate_every = 5
evaluate_at = 16
losses = { l1 = 1.0, ssim = 0.25 }
[stages.denoiser]
after = "autoencoder"
train = { unet = 1.0, decoder = 0.5, prior = 1.0 }
bottleneck = "steps"
optimiser = "muon"
seed = 2
steps = 4
crop = 128
photos = 1
crops = 2
text = 0.5
learning_rate = 1e-3
warmup = 1
weight_decay = 0.0
clip = 1.0
average = 0.5
code_steps = [[10.0, 30.0], [4.0, 60.0]]
rate_weight = 0.5
rate_ramp = [0, 2, 0.1]
rate_step = 20.0
rate_power = 1.0
latent_weight = 0.1
vgg_crop = 64
vgg_pictures = 1
log_every = 1
save_every = 4
evaluate_every = 4
evaluate_at = 20
losses = { l1 = 1.0, ssim = 0.25 }
[stages.prior]
after = "denoiser"
train = { prior = 1.0 }
bottleneck = "rounded"
optimiser = "adam"
seed = 3
steps = 30
crop = 128
photos = 2
crops = 1
text = 0.0
learning_rate = 1e-2
warmup = 1
weight_decay = 0.0
clip = 1.0
average = 0.5
code_steps = [[10.0, 30.0]]
vgg_crop = 64
vgg_pictures = 1
log_every = 10
save_every = 30
evaluate_every = 30
evaluate_at = 20
losses = { l1 = 1.0 }
"""
"""Three stages: `autoencoder` with palettes, `denoiser` with steps, `prior` alone."""
