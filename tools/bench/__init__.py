"""Benchmarks. ``--help`` describes each program; ``pip install '.[bench]'`` installs what they need.

Programs:

- `rate_quality`: .sdz beside JPEG, WebP, AVIF and JPEG XL over a folder of pictures: tables, curves and sheets.
- `compare_sheet`: original, .sdz and other formats side by side at equal bytes, as one picture.
- `bench_speed`: time and memory of the default model on this computer.
- `bench_busy`: what other busy processes cost, and several threads in one process.
- `bench_large`: time and memory by the size of the picture, and where the time of decoding goes.
- `bench_cold_start`: imports, the first `Image.open` and the first decode in a fresh process, with each runtime.
- `bench_autoload`: what the start-up hook of `sdz-convert autoload` adds to the start of Python.
- `bench_stable_diffusion`: time and memory of a checkpoint of Stable Diffusion's size beside the shipped model.
- `truncation`: what files show whose end is missing.
- `bench_preview`: how close previews are to true thumbnails, and how long they take.
- `bench_guard`: what the guard adds to the time of encoding.
- `rungs`: the ladder of qualities, from the smallest files to visually lossless ones, beside AVIF.
- `bench_index_coding`: bytes and time of every coding of palettes and index planes.
- `bench_scalar_coding`: scalar payloads and palettes beside libimagequant and zlib at the same latent error.

Parts of `rate_quality`, in the order in which it uses them:

- `photos`: which pictures are measured, and how they are read; the other programs use it, too.
- `curves`: rate-quality points of every picture, means, and interpolation at equal bytes.
- `guarantees`: whether a higher quality is never worse, and a target size never exceeded.
- `costs`: time, memory and arithmetic at equal bytes.
- `tables`: JSON, CSV and Markdown of what was measured.
- `plots`: the curves as a picture.

`resources` measures time, memory and the speed of matrix products for all of them.
"""
