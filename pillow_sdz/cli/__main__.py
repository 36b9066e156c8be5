"""``python -m pillow_sdz.cli``: the same as ``sdz-convert``."""

from pillow_sdz.cli.entry import main

if __name__ == "__main__":
    main()
