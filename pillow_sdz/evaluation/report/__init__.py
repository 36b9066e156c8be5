"""The report of ``sdz-convert compare``: what each stage of encoding and decoding does to pictures.

- `stages` (with `payload_stages`, `regenerate`, `latent_files`): computes and measures all stages of a picture.
- `context`: what the stages share; `comparison`: their results.
- `draw`, `channels`: latents and palettes as pictures, and what each channel of a latent shows.
- `page`, `contact_sheet`, `numbers`: the results as an HTML page, a contact sheet and JSON.
- `requirements`: whether the packages that it needs are installed.
"""
