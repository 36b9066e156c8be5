"""``python -m pillow_sdz SCRIPT``: run a program with the format registered; see `pillow_sdz.cli.runner`."""

from pillow_sdz.cli.runner import main

if __name__ == "__main__":
    main()
