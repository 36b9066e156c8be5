"""The networks in training: autoencoder, latent U-Net and prior; and the moving average of their weights."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, Final

import torch
from diffusers import AutoencoderDC, DDIMScheduler
from safetensors.torch import load_file
from torch import Tensor, nn

from pillow_sdz.models.manifest import PRIOR_NAME
from pillow_sdz.models.networks.latent_unet import LatentUNet
from tools.train.fast import use_fast_norm
from tools.train.prior import LatentPrior, prior_shape
from tools.train.prior_file import load_prior

if TYPE_CHECKING:
    from pathlib import Path

SCHEDULER: Final[dict[str, Any]] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "clip_sample": False,
    "set_alpha_to_one": True,
    "steps_offset": 0,
    "prediction_type": "epsilon",
}
"""The noise schedule of Stable Diffusion (Rombach et al. 2022), so that pillow_sdz denoises with all models alike."""

WEIGHTS_NAME: Final = "diffusion_pytorch_model.safetensors"
"""Name that diffusers gives to the weights of a network."""


AUTOENCODER: Final[Any] = AutoencoderDC
NOISE_SCHEDULER: Final[Any] = DDIMScheduler
"""diffusers' classes, typed as Any: diffusers imports them lazily, which hides their types."""


class TrainableModel(nn.Module):
    """Autoencoder, latent U-Net and prior. Pictures are (B, 3, h, w) in [0, 1], latents (B, C, h / 8, w / 8).

    Args:
        settings: the table ``[model]`` of a configuration.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        self.settings = settings
        self.vae = AUTOENCODER(**settings["vae"])
        self.unet = LatentUNet(**settings["unet"])
        self.prior = LatentPrior(prior_shape(settings)) if "prior" in settings else None
        self.bound = float(settings["latent_bound"])
        self.range = float(settings.get("code_range", self.bound))
        scheduler = NOISE_SCHEDULER(**SCHEDULER)
        alphas = scheduler.alphas_cumprod
        self.register_buffer("noise_levels", ((1 - alphas) / alphas).sqrt(), persistent=False)
        self.register_buffer("alphas", alphas.sqrt(), persistent=False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
        use_fast_norm(self)

    @property
    def channels(self) -> int:
        """Channels of the latent."""
        return int(self.vae.config.latent_channels)

    @property
    def factor(self) -> int:
        """Pixels per latent position along each axis."""
        return int(self.vae.spatial_compression_ratio)

    @property
    def code_step(self) -> float:
        """Latent value of one 8-bit code: 256 codes span plus and minus ``code_range``, by default ``latent_bound``."""
        return 2 * self.range / 255

    def encode(self, pictures: Tensor) -> Tensor:
        """Latents of pictures, softly limited to [-bound, bound]."""
        latents: Tensor = self.vae.encode(pictures * 2 - 1).latent.float()
        return self.bound * torch.tanh(latents / self.bound)

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures from latents, not clamped."""
        pictures: Tensor = self.vae.decode(latents).sample.float() / 2 + 0.5
        return pictures

    def denoise(self, latents: Tensor, noise: Tensor) -> Tensor:
        """One step of the U-Net.

        Args:
            latents: quantised.
            noise: (B,), the root mean square error of each latent.

        Returns:
            The U-Net's estimate of the latents before quantisation.
        """
        timestep = torch.searchsorted(self.get_buffer("noise_levels"), noise.contiguous()).clamp(
            max=len(self.get_buffer("alphas")) - 1
        )
        alpha = self.get_buffer("alphas")[timestep][:, None, None, None]
        sigma = (1 - alpha.square()).sqrt()
        predicted: Tensor = self.unet(latents * alpha, timestep).sample.float()
        return latents - sigma / alpha * predicted

    def rounding_error(self, step: Tensor) -> Tensor:
        """The root mean square error, in latent values, of rounding with a quantiser's step of ``step`` (B,) codes."""
        return step * self.code_step / 12**0.5

    def quantise(self, latents: Tensor, step: Tensor) -> Tensor:
        """The latents that a scalar payload reconstructs.

        Args:
            latents: (B, C, h, w).
            step: (B,), the quantiser's step in codes.
        """
        assert self.prior is not None
        return self.to_latents(self.prior.quantise(self.to_codes(latents), step))

    def to_codes(self, latents: Tensor) -> Tensor:
        """Latents as codes less 128, not rounded."""
        return latents / self.code_step - 0.5

    def to_latents(self, codes: Tensor) -> Tensor:
        """Undo `to_codes`, after rounding to whole codes in range."""
        return (codes.round().clamp(-128, 127) + 0.5) * self.code_step

    def warm_start(self, folder: Path) -> list[str]:
        """Load the networks of a model folder. Blocks that the folder lacks start as the identity.

        The folder's autoencoder may have fewer latent channels. The new ones start with the weights of an untrained
        convolution: had they started near zero, all their values would be rounded to zero, and they would not learn.
        The U-Net is loaded only if it has the same latent channels, the prior only if all its sizes are the same.

        Returns:
            Names of the parameters that are not loaded.
        """
        state = {k: v.float() for k, v in load_file(folder / "vae" / WEIGHTS_NAME).items()}
        ours = self.vae.state_dict()
        self._widen(state, ours)
        self._deepen(state)
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
        path = folder / WEIGHTS_NAME
        if path.is_file():
            state = {k: v.float() for k, v in load_file(path).items()}
            if state["conv_in.weight"].shape == ours["conv_in.weight"].shape:
                fitting = {k: v for k, v in state.items() if k in ours and ours[k].shape == v.shape}
        self.unet.load_state_dict(fitting, strict=False)
        return sorted(f"unet.{name}" for name in set(ours) - set(fitting))

    def _warm_start_prior(self, folder: Path) -> list[str]:
        if self.prior is None:
            return []
        path = folder / PRIOR_NAME
        if path.is_file() and path.stat().st_size == self.prior.shape.byte_count:
            load_prior(self.prior, path.read_bytes())
            return []
        return sorted(f"prior.{name}" for name in self.prior.state_dict())

    def _widen(self, state: dict[str, Tensor], ours: dict[str, Tensor]) -> None:
        """Change ``state`` to more latent channels: the old ones come first, and keep their values.

        The shortcuts around these convolutions average and repeat channels, depending on the number of channels: the
        difference between the old shortcut and the new one is added to the middle of the kernels.
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

    def _deepen(self, state: dict[str, Tensor]) -> None:
        """Change the names in ``state`` to more residual blocks in the encoder: the new ones come after the old ones.

        At each resolution but the lowest a convolution that halves the sides comes last, and its number changes.
        """
        for stage, layers in enumerate(self.vae.config.encoder_layers_per_block[:-1]):
            prefix = f"encoder.down_blocks.{stage}."
            last = re.compile(re.escape(prefix) + r"[0-9]+\.(conv\..*)")
            for name, match in [(name, last.fullmatch(name)) for name in state]:
                if match:
                    state[f"{prefix}{layers}.{match[1]}"] = state.pop(name)

    def parts(self) -> dict[str, nn.Module]:
        """The networks that a stage can train, by the names that configurations give them."""
        parts: dict[str, nn.Module] = {"encoder": self.vae.encoder, "decoder": self.vae.decoder, "unet": self.unet}
        return parts if self.prior is None else parts | {"prior": self.prior}

    def trainable(self, rates: dict[str, float]) -> list[dict[str, Any]]:
        """Switch gradients on for the named parts, and off for all others.

        Args:
            rates: name of a part -> its share of the learning rate.

        Returns:
            Parameter groups for an optimiser, each with its ``share``.
        """
        groups: list[dict[str, Any]] = []
        for name, module in self.parts().items():
            module.requires_grad_(name in rates)
            if name in rates:
                groups.append({"params": list(module.parameters()), "share": rates[name]})
        return groups


class Average:
    """Exponential moving average of a model's parameters.

    Args:
        model: where it starts.
        decay: weight of the old average in an update; less in early steps, so that the initial weights fade quickly.
    """

    def __init__(self, model: TrainableModel, decay: float) -> None:
        self.decay, self.model = decay, copy.deepcopy(model).requires_grad_(False).eval()
        use_fast_norm(self.model)

    @torch.no_grad()
    def update(self, model: TrainableModel, step: int) -> None:
        """Move the average of all trained parameters towards the model's, after training step ``step``."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        pairs = zip(self.model.parameters(), model.parameters(), strict=True)
        averages, trained = zip(*((old, new) for old, new in pairs if new.requires_grad), strict=True)
        torch._foreach_lerp_(averages, trained, weight)
