"""Checks of what is built and installed."""
