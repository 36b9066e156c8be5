"""The networks being trained: autoencoder, latent U-Net, their moving averages, and how a checkpoint stores them."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import torch
from diffusers import AutoencoderDC, DDIMScheduler
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import optimiser_state
from fast import use_fast_norm
from integers import load_prior
from pillow_sdz.models.manifest import PRIOR_NAME
from pillow_sdz.models.networks.latent_unet import LatentUNet
from pillow_sdz.payloads.scalar.prior import PriorShape
from prior import LatentPrior

if TYPE_CHECKING:
    from pathlib import Path

    from adversary import Adversary

# Stable Diffusion's noise schedule (Rombach et al. 2022), so that one denoising loop serves both kinds of model.
SCHEDULER = {
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000,
    "clip_sample": False, "set_alpha_to_one": True, "steps_offset": 0, "prediction_type": "epsilon",
}  # fmt: skip


class Codec(nn.Module):
    """Autoencoder and latent U-Net. Pictures are (B, 3, h, w) in [0, 1], latents (B, C, h/8, w/8) within the bound."""

    def __init__(self, model: dict[str, Any]) -> None:
        super().__init__()
        self.settings = model
        self.vae = AutoencoderDC(**model["vae"])
        self.unet = LatentUNet(**model["unet"])
        self.prior = LatentPrior(model["vae"]["latent_channels"], **model["prior"]) if "prior" in model else None
        self.bound = float(model["latent_bound"])
        self.range = float(model.get("code_range", self.bound))
        scheduler = DDIMScheduler(**SCHEDULER)
        alphas = scheduler.alphas_cumprod
        self.register_buffer("noise_levels", ((1 - alphas) / alphas).sqrt(), persistent=False)
        self.register_buffer("alphas", alphas.sqrt(), persistent=False)
        self.to(memory_format=torch.channels_last)
        use_fast_norm(self)

    @property
    def channels(self) -> int:
        """Channels of the latent."""
        return int(self.vae.config.latent_channels)

    @property
    def factor(self) -> int:
        """Pixels a side of a latent position."""
        return int(self.vae.spatial_compression_ratio)

    @property
    def step(self) -> float:
        """The latent value of one 8-bit code: 256 codes span the bounded range, or more where coarse steps need it."""
        return 2 * self.range / 255

    def encode(self, pictures: Tensor) -> Tensor:
        latents = self.vae.encode(pictures * 2 - 1).latent.float()
        return self.bound * torch.tanh(latents / self.bound)

    def decode(self, latents: Tensor) -> Tensor:
        return self.vae.decode(latents).sample.float() / 2 + 0.5

    def denoise(self, latents: Tensor, noise: Tensor) -> Tensor:
        """One step from a quantised latent and its root mean square error, (B,), to the U-Net's estimate."""
        timestep = torch.searchsorted(self.get_buffer("noise_levels"), noise.contiguous()).clamp(
            max=len(self.get_buffer("alphas")) - 1
        )
        alpha = self.get_buffer("alphas")[timestep][:, None, None, None]
        sigma = (1 - alpha.square()).sqrt()
        predicted = self.unet(latents * alpha, timestep).sample.float()
        return latents - sigma / alpha * predicted

    def rounding_error(self, step: Tensor) -> Tensor:
        """Root mean square error of rounding in steps of ``step`` (B,) codes, as latents."""
        return step * self.step / 12**0.5

    def quantise(self, latents: Tensor, step: Tensor) -> Tensor:
        """The latents that a scalar payload gives back.

        Args:
            latents: (B, C, h, w).
            step: (B,), the quantiser's step in codes.
        """
        assert self.prior is not None
        return self.to_latents(self.prior.quantise(self.to_codes(latents), step))

    def to_codes(self, latents: Tensor) -> Tensor:
        """Latents as codes less 128, not rounded."""
        return latents / self.step - 0.5

    def to_latents(self, codes: Tensor) -> Tensor:
        """Undo `to_codes`, rounding to whole codes in range."""
        return (codes.round().clamp(-128, 127) + 0.5) * self.step

    def warm_start(self, folder: Path) -> list[str]:
        """Load the networks of a model folder. Blocks that they lack start as the identity.

        The autoencoder may have fewer latent channels: the new ones start at the size of any untrained convolution's
        output (near zero they would stay there, where everything rounds to zero). U-Net and prior are taken where the
        latent's channels and, for the prior, its sizes are the same. Returns the names of parameters that start anew.
        """
        state = {k: v.float() for k, v in load_file(folder / "vae" / "diffusion_pytorch_model.safetensors").items()}
        ours = self.vae.state_dict()
        self._widen(state, ours)
        fitting = {k: v for k, v in state.items() if k in ours and ours[k].shape == v.shape}
        self.vae.load_state_dict(fitting, strict=False)
        new = sorted(set(ours) - set(fitting))
        for name in new:  # a residual block whose last normalisation has no gain passes its input through
            if name.endswith((".norm.weight", ".norm.bias")):
                nn.init.zeros_(self.vae.get_parameter(name))
        names = [f"vae.{name}" for name in new]
        return names + self._warm_start_unet(folder / "unet") + self._warm_start_prior(folder)

    def _warm_start_unet(self, folder: Path) -> list[str]:
        ours = self.unet.state_dict()
        fitting: dict[str, Tensor] = {}
        path = folder / "diffusion_pytorch_model.safetensors"
        if path.is_file():
            state = {k: v.float() for k, v in load_file(path).items()}
            if state["conv_in.weight"].shape == ours["conv_in.weight"].shape:
                fitting = {k: v for k, v in state.items() if k in ours and ours[k].shape == v.shape}
        self.unet.load_state_dict(fitting, strict=False)
        return sorted(f"unet.{name}" for name in set(ours) - set(fitting))

    def _warm_start_prior(self, folder: Path) -> list[str]:
        if self.prior is None:
            return []
        shape = PriorShape(self.settings["vae"]["latent_channels"], **self.settings["prior"])
        path = folder / PRIOR_NAME
        if path.is_file() and path.stat().st_size == shape.byte_count:
            load_prior(self.prior, path.read_bytes(), shape)
            return []
        return sorted(f"prior.{name}" for name in self.prior.state_dict())

    def _widen(self, state: dict[str, Tensor], ours: dict[str, Tensor]) -> None:
        """Fit the convolutions next to the latent to more channels, old channels first, so that all else stays.

        The shortcuts around them average and repeat channels, which depends on the number of channels: what they
        gave before and give now goes into the middle of the kernels.
        """
        old, new = state["encoder.conv_out.weight"].shape[0], ours["encoder.conv_out.weight"].shape[0]
        if old == new:
            return
        inner = ours["encoder.conv_out.weight"].shape[1]
        weight, bias = ours["encoder.conv_out.weight"].clone(), torch.zeros(new)
        weight[:old], bias[:old] = state["encoder.conv_out.weight"], state["encoder.conv_out.bias"]
        weight[:old, :, 1, 1] += torch.eye(old).repeat_interleave(inner // old, 1) / (inner // old)
        weight[:, :, 1, 1] -= torch.eye(new).repeat_interleave(inner // new, 1) / (inner // new)
        state |= {"encoder.conv_out.weight": weight, "encoder.conv_out.bias": bias}
        weight = ours["decoder.conv_in.weight"].clone()
        outer = weight.shape[0]
        weight[:, :old] = state["decoder.conv_in.weight"]
        weight[:, :old, 1, 1] += torch.eye(old).repeat_interleave(outer // old, 0)
        weight[:, :, 1, 1] -= torch.eye(new).repeat_interleave(outer // new, 0)
        state["decoder.conv_in.weight"] = weight

    def parts(self) -> dict[str, nn.Module]:
        """The networks that a stage can train, by name."""
        parts = {"encoder": self.vae.encoder, "decoder": self.vae.decoder, "unet": self.unet}
        return parts if self.prior is None else parts | {"prior": self.prior}

    def trainable(self, rates: dict[str, float]) -> list[dict[str, Any]]:
        """Let gradients reach only the named parts; returns an optimiser's groups, each with its share of the rate."""
        groups = []
        for name, module in self.parts().items():
            module.requires_grad_(name in rates)
            if name in rates:
                groups.append({"params": list(module.parameters()), "share": rates[name]})
        return groups


class Average:
    """Exponential moving average of the parameters, warmed up so that the start does not linger."""

    def __init__(self, codec: Codec, decay: float) -> None:
        self.decay, self.codec = decay, copy.deepcopy(codec).requires_grad_(False).eval()
        use_fast_norm(self.codec)

    @torch.no_grad()
    def update(self, codec: Codec, step: int) -> None:
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        pairs = zip(self.codec.parameters(), codec.parameters(), strict=True)
        ours, theirs = zip(*((mine, new) for mine, new in pairs if new.requires_grad), strict=True)
        torch._foreach_lerp_(ours, theirs, weight)


def save_checkpoint(
    path: Path,
    codec: Codec,
    average: Average,
    optimiser: torch.optim.Optimizer,
    adversary: Adversary | None,
    meta: dict[str, Any],
) -> None:
    """Write weights, average and optimiser state as safetensors, replacing ``path`` only once all is on disk."""
    tensors = {f"codec.{k}": v for k, v in codec.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.codec.state_dict().items()}
    tensors |= optimiser_state.to_tensors(optimiser)
    if adversary is not None:
        tensors |= {f"adversary.{k}": v for k, v in adversary.state().items()}
    temporary = path.with_suffix(".partial")
    save_file({k: v.contiguous().clone() for k, v in tensors.items()}, temporary, {"meta": json.dumps(meta)})
    temporary.replace(path)


def load_checkpoint(
    path: Path,
    codec: Codec,
    average: Average,
    optimiser: torch.optim.Optimizer | None = None,
    adversary: Adversary | None = None,
) -> dict[str, Any]:
    """Restore what `save_checkpoint` wrote; returns its ``meta``. Without an optimiser only weights are restored.

    An adversary that joined since the checkpoint was written starts anew.
    """
    with safe_open(path, "pt") as file:
        meta: dict[str, Any] = json.loads(file.metadata()["meta"])
    tensors = load_file(path)
    codec.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("codec.")})
    average.codec.load_state_dict({k[8:]: v for k, v in tensors.items() if k.startswith("average.")})
    if optimiser is not None:
        optimiser_state.restore(optimiser, tensors)
    if adversary is not None and "adversary.step" in tensors:
        adversary.restore({k[10:]: v for k, v in tensors.items() if k.startswith("adversary.")})
    return meta


def load_average(path: Path) -> tuple[Codec, dict[str, Any]]:
    """The moving average of a checkpoint, and its ``meta``: step, stage and configuration."""
    with safe_open(path, "pt") as file:
        codec = Codec(json.loads(file.metadata()["meta"])["config"]["model"])
    average = Average(codec, 0.0)
    meta = load_checkpoint(path, codec, average)
    return average.codec, meta
