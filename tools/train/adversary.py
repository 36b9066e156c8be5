"""An opponent that tells decoded pictures from photos, for the last stretch of training (Goodfellow et al. 2014).

Distances to the original average over all that could have been there, which is blur, and where they look at a grid,
whatever pattern pleases that grid. The opponent looks at patches (Isola et al. 2017), knows the latent that the picture
was decoded from (Mentzer et al. 2020), and what it can tell from a photo costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

import optimiser_state

if TYPE_CHECKING:
    from collections.abc import Sequence


class PatchDiscriminator(nn.Module):
    """Scores (B, 3, h, w) pictures given (B, C, h/8, w/8) latents: (B, 1, h/8, w/8), higher for photos.

    Spectral normalisation (Miyato et al. 2018) bounds its slope, so that neither side runs away.
    """

    def __init__(self, latent_channels: int, widths: Sequence[int] = (32, 64, 128)) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(before, width, 4, stride=2, padding=1))
            for before, width in zip((3, *widths), widths, strict=False)
        )
        self.latent = spectral_norm(nn.Conv2d(latent_channels, 32, 3, padding=1))
        self.joined = spectral_norm(nn.Conv2d(widths[-1] + 32, widths[-1], 3, padding=1))
        self.score = spectral_norm(nn.Conv2d(widths[-1], 1, 1))
        self.to(memory_format=torch.channels_last)

    def forward(self, pictures: Tensor, latents: Tensor) -> Tensor:
        x = pictures * 2 - 1
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
        x = torch.cat([x, F.leaky_relu(self.latent(latents), 0.2)], 1)
        score: Tensor = self.score(F.leaky_relu(self.joined(x), 0.2))
        return score


class Adversary:
    """The discriminator in training, and its weight against the other losses.

    Args:
        latent_channels: of the codec.
        plan: ``share``: the length of its gradient at the picture, relative to that of all other losses together, which
            keeps the balance whatever their scales (after Esser et al. 2021); ``learning_rate``; ``alone``: so many
            steps it learns without a say.
    """

    def __init__(self, latent_channels: int, plan: dict[str, Any], device: str) -> None:
        self.share, self.alone, self.step = float(plan["share"]), int(plan["alone"]), 0
        self.network = PatchDiscriminator(latent_channels).to(device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=float(plan["learning_rate"]), betas=(0.5, 0.9))

    def learn(self, photos: Tensor, decoded: Tensor, latents: Tensor) -> dict[str, Tensor]:
        """One step of its own (hinge loss: Lim and Ye 2017); returns what to log."""
        scores = self.network(torch.cat([photos, decoded]), latents.repeat(2, 1, 1, 1)).float()
        real, false = scores.chunk(2)
        loss = F.relu(1 - real).mean() + F.relu(1 + false).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.step += 1
        return {"told": (real.detach().mean() - false.detach().mean()) / 2}

    def gradient(self, decoded: Tensor, latents: Tensor, others: Tensor) -> Tensor:
        """How to change the pictures to be taken for photos, scaled to its share of the ``others``' gradient."""
        if self.step <= self.alone:
            return torch.zeros_like(others)
        leaf = decoded.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(-self.network(leaf, latents).float().mean(), leaf)
        return gradient * (self.share * others.norm() / gradient.norm().clamp(min=1e-12))

    def state(self) -> dict[str, Tensor]:
        """Everything that a checkpoint needs."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        return tensors | optimiser_state.to_tensors(self.optimiser) | {"step": torch.tensor(self.step)}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Undo `state`."""
        self.step = int(tensors["step"])
        self.network.load_state_dict({k[8:]: v for k, v in tensors.items() if k.startswith("network.")})
        optimiser_state.restore(self.optimiser, tensors)
