"""Lossless coding in whole numbers, the same on every machine: entropy coders, packings and boxes."""
