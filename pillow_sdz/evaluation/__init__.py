"""Measuring files: other codecs to compare with, metrics of image quality, and the HTML report.

It is used by ``sdz-convert compare``, `tools/bench` and `tools/train`; encoding and decoding do not need it.

- `codecs`: JPEG, WebP, AVIF, JPEG XL and .sdz behind one interface; searches for the best file within a size.
- `metrics`: PSNR, SSIM, MS-SSIM, SSIMULACRA 2, LPIPS and DISTS as functions of two pictures.
- `perceptual`: the networks of LPIPS and DISTS, and where to download their weights.
- `sheet`: pictures in rows, each under its caption.
- `report`: the page that ``sdz-convert compare`` writes.
"""
