"""Payload kind 3, and the streams that it shares with patches: pictures coded as in AVIF and WebP, without their boxes.

Needs Pillow alone: no model and no torch.
"""
