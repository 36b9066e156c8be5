"""ONNX graphs of this project's decoder and U-Net, built from their configurations, without weights.

Every initialiser is external data: a float16 tensor in the network's safetensors file, which a Cast makes float32. ONNX
Runtime computes these Casts once, when it makes a session. Heights and widths are symbols: a graph takes any size.
The graphs are those of `pillow_sdz.models.networks`, operation by operation; what the runtime fuses is its own choice.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from pillow_sdz.models.configuration import CONFIG_NAME, own_fields, read_config
from pillow_sdz.models.graph_files import DECODER_GRAPH, UNET_GRAPH
from pillow_sdz.models.half_weights import WEIGHTS_NAME, HalfWeights, read_half
from pillow_sdz.models.manifest_fields import REINSTALL
from pillow_sdz.models.networks.autoencoder import DEFAULTS, Half, halves

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from onnx import NodeProto
    from onnx.onnx_ml_pb2 import ValueInfoProto

OPSET: Final = 18
IR_VERSION: Final = 8
"""Versions of the operators and of the file format: old ones, which every supported onnxruntime reads."""

EPSILON: Final = np.float32(1e-5)
"""What the networks' normalisations add to a mean square."""


class Builder:
    """Collects the nodes of one graph; its methods add nodes and return the names of their outputs.

    Args:
        weights: those of the network's file.
        prefix: what the names of the network's tensors start with.
    """

    def __init__(self, weights: HalfWeights, prefix: str = "") -> None:
        self._weights, self._prefix = weights, prefix
        self._nodes: list[NodeProto] = []
        self._initialisers: list[TensorProto] = []
        self._known: dict[object, str] = {}

    def op(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node with one output."""
        name = output or f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, *values: int) -> str:
        """A vector of whole numbers."""
        return self._once(("whole", values), np.array(values, np.int64))

    def real(self, *values: float) -> str:
        """A vector of real numbers; of one, a scalar."""
        return self._once(("real", values), np.array(values if len(values) > 1 else values[0], np.float32))

    def _once(self, key: object, values: np.ndarray[Any, Any]) -> str:
        if key not in self._known:
            self._known[key] = f"constant_{len(self._known)}"
            self._initialisers.append(numpy_helper.from_array(values, self._known[key]))
        return self._known[key]

    def has(self, name: str) -> bool:
        """Whether the network has this tensor."""
        return self._prefix + name in self._weights.tensors

    def weight(self, name: str) -> str:
        """A tensor of the network, in float32."""
        stored = self._prefix + name
        values = self._weights.tensors[stored]
        tensor = TensorProto(name=stored, data_type=TensorProto.FLOAT16, dims=values.shape)
        tensor.data_location = TensorProto.EXTERNAL
        place = self._weights.places[stored]
        for key, value in (("location", WEIGHTS_NAME), ("offset", place), ("length", values.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        self._initialisers.append(tensor)
        return self.op("Cast", stored, to=TensorProto.FLOAT)

    def channels(self, name: str) -> str:
        """A vector of the network, in float32, one number for each channel: (C, 1, 1)."""
        return self.op("Reshape", self.weight(name), self.constant(-1, 1, 1))

    def convolve(self, x: str, name: str, padding: int = 1, stride: int = 1) -> str:
        """A convolution of the network."""
        inputs = [x, self.weight(f"{name}.weight")]
        if self.has(f"{name}.bias"):
            inputs.append(self.weight(f"{name}.bias"))
        return self.op("Conv", *inputs, pads=[padding] * 4, strides=[stride] * 2)

    def linear(self, x: str, name: str) -> str:
        """A linear layer of the network."""
        return self.op("Gemm", x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"), transB=1)

    def silu(self, x: str) -> str:
        """X * sigmoid(x)."""
        return self.op("Mul", x, self.op("Sigmoid", x))

    def normalised(self, x: str, gain: str) -> str:
        """Divide (1, C, h, w) by its root mean square over channels, and multiply it by a vector of the network.

        A convolution averages the squares: ONNX Runtime has all cores for it, and one for its own reductions.
        """
        count = len(self._weights.tensors[self._prefix + gain])
        kernel = self._once(("average", count), np.full((1, count, 1, 1), 1 / count, np.float32))
        mean = self.op("Conv", self.op("Mul", x, x), kernel)
        unit = self.op("Div", x, self.op("Sqrt", self.op("Add", mean, self.real(float(EPSILON)))))
        return self.op("Mul", unit, self.channels(gain))

    def repeated(self, x: str, channels: int, times: int) -> str:
        """Each of the ``channels`` of (1, C, h, w) ``times`` times."""
        return self.op("Gather", x, self.constant(*(i for i in range(channels) for _ in range(times))), axis=1)

    def shuffled(self, x: str) -> str:
        """Channels to pixels: (1, 4 C, h, w) -> (1, C, 2 h, 2 w)."""
        return self.op("DepthToSpace", x, blocksize=2, mode="CRD")

    def planes(self, rows: str) -> str:
        """(h, w, C) -> (1, C, h, w)."""
        return self.op("Transpose", self.op("Unsqueeze", rows, self.constant(0)), perm=[0, 3, 1, 2])

    def rows(self, planes: str, output: str | None = None) -> str:
        """(1, C, h, w) -> (h, w, C)."""
        return self.op("Transpose", self.op("Squeeze", planes, self.constant(0)), output=output, perm=[1, 2, 0])

    def model(self, name: str, inputs: list[ValueInfoProto], output: ValueInfoProto) -> ModelProto:
        """The finished graph."""
        graph = helper.make_graph(self._nodes, name, inputs, [output], self._initialisers)
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="pillow_sdz")


def _real(name: str, *sides: str | int) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(sides))


def decoder_graph(weights: HalfWeights, config: Mapping[str, Any]) -> ModelProto:
    """The graph of `pillow_sdz.models.networks.autoencoder.Decoder`: latent (h, w, C) -> picture (H, W, 3)."""
    _, half = halves(DEFAULTS | own_fields(config, DEFAULTS))
    graph = Builder(weights, "decoder.")
    latent = graph.planes("latent")
    x = graph.convolve(latent, "conv_in")
    if half.shortcut:
        x = graph.op("Add", x, graph.repeated(latent, half.latent_channels, half.widths[-1] // half.latent_channels))
    for stage in reversed(range(len(half.widths))):
        x = _decoder_stage(graph, x, half, stage)
    x = graph.op("Relu", _scaled_unit(graph, x, "norm_out"))
    x = graph.convolve(x, "conv_out") if half.layers[0] else graph.shuffled(graph.convolve(x, "conv_out.conv"))
    graph.rows(x, "picture")
    inputs = [_real("latent", "h", "w", half.latent_channels)]
    return graph.model("decoder", inputs, _real("picture", "H", "W", 3))


def _decoder_stage(graph: Builder, x: str, half: Half, stage: int) -> str:
    """The blocks of one resolution: one that doubles the sides, except at the lowest, and residual blocks."""
    widths, count = half.widths, half.layers[stage]
    if count == 0:
        return x
    first = int(stage + 1 < len(widths))
    if first:
        y = graph.convolve(x, f"up_blocks.{stage}.0.conv")
        repeated = graph.repeated(x, widths[stage + 1], 4 * widths[stage] // widths[stage + 1])
        x = graph.shuffled(graph.op("Add", y, repeated))
    for block in (f"up_blocks.{stage}.{first + index}" for index in range(count)):
        h = graph.convolve(graph.silu(graph.convolve(x, f"{block}.conv1")), f"{block}.conv2")
        x = graph.op("Add", x, _scaled_unit(graph, h, f"{block}.norm"))
    return x


def _scaled_unit(graph: Builder, x: str, norm: str) -> str:
    """`pillow_sdz.models.networks.autoencoder_blocks.RMSNorm`."""
    return graph.op("Add", graph.normalised(x, f"{norm}.weight"), graph.channels(f"{norm}.bias"))


def unet_graph(weights: HalfWeights, config: Mapping[str, Any]) -> ModelProto:
    """The graph of `pillow_sdz.models.networks.latent_unet.LatentUNet`: latent (h, w, C) and timestep -> noise."""
    channels, (outer, inner) = config["in_channels"], config["layers_per_block"]
    graph = Builder(weights)
    sides = graph.op("Slice", graph.op("Shape", "sample"), graph.constant(0), graph.constant(2))
    odd = graph.op("Mod", sides, graph.constant(2))
    pads = graph.op("Concat", graph.constant(0, 0, 0), odd, graph.constant(0), axis=0)
    x = graph.planes(graph.op("Pad", "sample", pads, mode="edge"))
    block = _residual_block(graph, _time(graph, config["time_channels"]))
    x = graph.convolve(x, "conv_in")
    for index in range(outer):
        x = block(x, f"before.{index}")
    skip = x
    x = graph.convolve(x, "down", padding=0, stride=2)
    for index in range(inner):
        x = block(x, f"middle.{index}")
    x = graph.op("Add", skip, graph.shuffled(graph.convolve(x, "up", padding=0)))
    for index in range(outer):
        x = block(x, f"after.{index}")
    x = graph.silu(graph.normalised(x, "norm_out.gain"))
    x = graph.rows(graph.convolve(x, "conv_out"))
    graph.op("Slice", x, graph.constant(0, 0), sides, output="noise")
    timestep = helper.make_tensor_value_info("timestep", TensorProto.INT64, [])
    return graph.model("unet", [_real("sample", "h", "w", channels), timestep], _real("noise", "h", "w", channels))


def _time(graph: Builder, channels: int) -> str:
    """The timestep's embedding, (1, channels)."""
    half = channels // 2
    frequencies = np.exp(np.arange(half, dtype=np.float32) * np.float32(-math.log(10_000) / (half - 1)))
    angles = graph.op("Mul", graph.op("Cast", "timestep", to=TensorProto.FLOAT), graph.real(*frequencies.tolist()))
    waves = graph.op("Concat", graph.op("Sin", angles), graph.op("Cos", angles), axis=0)
    embedding = graph.op("Unsqueeze", waves, graph.constant(0))
    return graph.silu(graph.linear(graph.silu(graph.linear(embedding, "time.0")), "time.2"))


def _residual_block(graph: Builder, time: str) -> Callable[[str, str], str]:
    """What adds a `pillow_sdz.models.networks.latent_unet.ResidualBlock`, given its input and its name."""

    def block(x: str, name: str) -> str:
        film = graph.op("Reshape", graph.linear(time, f"{name}.time"), graph.constant(2, -1, 1, 1))
        scale = graph.op("Add", graph.op("Gather", film, graph.constant(0), axis=0), graph.real(1))
        shift = graph.op("Gather", film, graph.constant(1), axis=0)
        h = graph.normalised(x, f"{name}.norm.gain")
        h = graph.op("Add", graph.op("Mul", graph.convolve(h, f"{name}.conv1"), scale), shift)
        return graph.op("Add", x, graph.convolve(graph.silu(h), f"{name}.conv2"))

    return block


BUILDERS: Final = {
    "AutoencoderDC": (DECODER_GRAPH, decoder_graph),
    "LatentUNet": (UNET_GRAPH, unet_graph),
}
"""The graph of each class of network: its file, and what builds it."""


def build(folder: Path, name: str) -> bytes:
    """The graph of a network in a model's folder, in bytes; the same for the same configuration and weights' file.

    Args:
        folder: of the model.
        name: one of `pillow_sdz.models.graph_files.GRAPH_FILES`.
    """
    part = folder / name.partition("/")[0]
    builder = dict(BUILDERS.values())[name]
    model = builder(read_half(part / WEIGHTS_NAME, REINSTALL), read_config(part / CONFIG_NAME))
    return bytes(model.SerializeToString(deterministic=True))
