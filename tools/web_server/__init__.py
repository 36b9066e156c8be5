"""An example of a web server that keeps pictures as .sdz and serves them as WebP or AVIF; README.md says how to run it.

Read `app` first (what is answered to which request), then `pictures` (what is done with Pillow), `work` (how many of
that at a time), `store` and `cache` (files on disk). `load_test` measures a running server.
"""
