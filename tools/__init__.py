"""Programs for developers, none of which is installed.

- `make_vectors`: writes the golden files of the tests.
- `bench`: measures rate, quality, time and memory.
- `guard_set`: builds pictures with text, faces and lattices, and measures what codecs leave of them.
- `export_onnx`, with `onnx_graphs`: builds the graphs that ONNX Runtime runs.
- `train`: trains a model and exports it.

Each program is a script: ``python tools/bench/rate_quality.py``. It puts the checkout first on the module search path,
so that it measures and trains with the code beside it, and imports its parts as ``tools.bench`` and ``tools.train``.
"""
