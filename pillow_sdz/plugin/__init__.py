"""Everything that knows Pillow's plugin interface."""
