"""The cases of the encoding guard, `tests/format/test_encoding_guard.py`; each module imports only those above it.

- `results`: how the result of a case is pinned.
- `file_bytes`: takes files apart and puts them together, independently of the package.
- `calls`: the adapter to the package. No other module of the guard imports the package's internals.
- `inputs`, `pictures`: fixed inputs, computed in whole numbers, and images made of them.
- `models`: priors with fixed weights, and stand-ins for the networks.
- `coders`, `scalar`, `palettes`, `planes`, `containers`, `plans`, `saves`: what is written, from coder to file.
- `messages`: errors and warnings.
- `readings`, `damage`: what golden files contain, and what becomes of damaged ones.
- `groups`: all groups of cases by name.
"""
