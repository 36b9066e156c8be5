"""Lossless coding in whole numbers, bit-exact on every machine: entropy coders, packings, boxes. It knows no payload."""
