"""``sdz-convert view``: .sdz files in the browser, from a server on this machine.

- `server`: HTTP on 127.0.0.1; who may ask, for what, and when the page was closed.
- `decoder`: which pictures are decoded and kept, in one thread.
- `shown_file`: one file: its facts as JSON, its preview, error map and decoded pictures as PNG.
- `orientation`: pictures and rectangles as they are meant to be seen.
- `redirect`: the file by which a browser is told where the page is.
- `page`, `templates/`: the page, in which no text of a file is: its script asks for these.

The command is `pillow_sdz.cli.view`.
"""
