"""Checks with programs of other people, which need downloads or Debian packages: too much for every run of the tests.

- `check_autoload`: timg, climage, img2pdf and sigal in a fresh environment, before, with and after the start-up hook.

`test_programs.sh` runs the tests of `tests/programs/`, with every program of the README's table.
"""
