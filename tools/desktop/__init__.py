"""Checks of the desktop integration with the real programs: `check_desktop.sh` runs the others."""
