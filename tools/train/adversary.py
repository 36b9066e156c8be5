"""A discriminator that tells decoded pictures from photos, and the adversarial loss (Goodfellow et al. 2014).

Distances to the original favour the average of all likely pictures, which is blurred, and tolerate patterns that their
own sampling grids do not see. A discriminator penalises both. It judges patches (Isola et al. 2017) and is conditioned
on the latent that the picture was decoded from (Mentzer et al. 2020).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from tools.train.checkpoint import optimiser_tensors, restore_optimiser, with_prefix, without_prefix

if TYPE_CHECKING:
    from collections.abc import Sequence


SLOPE: Final = 0.2
"""Negative slope of the leaky ReLUs."""

LATENT_WIDTH: Final = 32
"""Channels of the convolution that the latent passes through before it is concatenated with the picture's features."""

BETAS: Final = (0.5, 0.9)
"""Adam's, as is usual for discriminators."""

_NETWORK: Final = "network."
"""Prefix of the discriminator's tensors in a checkpoint."""


class PatchDiscriminator(nn.Module):
    """Scores (B, 3, h, w) pictures given (B, C, h/8, w/8) latents: (B, 1, h/8, w/8), higher for photos.

    Spectral normalisation (Miyato et al. 2018) bounds its Lipschitz constant, which stabilises training.

    Args:
        latent_channels: C.
        widths: channels after each of the convolutions that halve the sides.
    """

    def __init__(self, latent_channels: int, widths: Sequence[int] = (32, 64, 128)) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(before, width, 4, stride=2, padding=1))
            for before, width in zip((3, *widths), widths, strict=False)
        )
        self.latent = spectral_norm(nn.Conv2d(latent_channels, LATENT_WIDTH, 3, padding=1))
        self.joined = spectral_norm(nn.Conv2d(widths[-1] + LATENT_WIDTH, widths[-1], 3, padding=1))
        self.score = spectral_norm(nn.Conv2d(widths[-1], 1, 1))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it

    def forward(self, pictures: Tensor, latents: Tensor) -> Tensor:
        """Score patches; see the class."""
        x = pictures * 2 - 1
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
        x = torch.cat([x, F.leaky_relu(self.latent(latents), SLOPE)], 1)
        score: Tensor = self.score(F.leaky_relu(self.joined(x), SLOPE))
        return score


class Adversary:
    """The discriminator in training, and its weight relative to the other losses.

    Args:
        latent_channels: of the model.
        plan: ``share``: norm of its gradient at the decoded picture, relative to the norm of that of all other losses,
            which keeps the balance whatever their scales (after Esser et al. 2021); ``learning_rate``: Adam's;
            ``alone``: warm-up steps, in which the discriminator is trained, but the model does not see its loss.
        device: torch's name of it.
    """

    def __init__(self, latent_channels: int, plan: dict[str, Any], device: str) -> None:
        self.share, self.alone, self.step = float(plan["share"]), int(plan["alone"]), 0
        self.network = PatchDiscriminator(latent_channels).to(device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=float(plan["learning_rate"]), betas=BETAS)

    def learn(self, photos: Tensor, decoded: Tensor, latents: Tensor) -> dict[str, Tensor]:
        """Train the discriminator by one step, with a hinge loss (Lim and Ye 2017).

        Args:
            photos, decoded: (B, 3, h, w) in [0, 1].
            latents: (B, C, h / 8, w / 8), what ``decoded`` was decoded from.

        Returns:
            Numbers to log: ``told``, half the difference of the mean scores of photos and decoded pictures.
        """
        scores = self.network(torch.cat([photos, decoded]), latents.repeat(2, 1, 1, 1)).float()
        real, false = scores.chunk(2)
        loss = F.relu(1 - real).mean() + F.relu(1 + false).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.step += 1
        return {"told": (real.detach().mean() - false.detach().mean()) / 2}

    def gradient(self, decoded: Tensor, latents: Tensor, others: Tensor) -> Tensor:
        """The gradient of the adversarial loss at the decoded pictures, (B, 3, h, w); zero in the warm-up.

        Args:
            decoded: (B, 3, h, w).
            latents: (B, C, h / 8, w / 8).
            others: the gradient of all other losses; the norm of the result is ``share`` times its norm.
        """
        if self.step <= self.alone:
            return torch.zeros_like(others)
        leaf = decoded.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(-self.network(leaf, latents).float().mean(), leaf)
        scaled: Tensor = gradient * (self.share * others.norm() / gradient.norm().clamp(min=1e-12))
        return scaled

    def state(self) -> dict[str, Tensor]:
        """The tensors that a checkpoint stores, by name: network, optimiser and number of steps."""
        tensors = with_prefix(_NETWORK, self.network.state_dict())
        return tensors | optimiser_tensors(self.optimiser) | {"step": torch.tensor(self.step)}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Undo `state`."""
        self.step = int(tensors["step"])
        self.network.load_state_dict(without_prefix(_NETWORK, tensors))
        restore_optimiser(self.optimiser, tensors)
