"""A stand-in for the part of ComfyUI's package ``comfy`` that the node pack imports."""
