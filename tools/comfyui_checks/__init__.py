"""What `tools/comfyui_sdz/check_server.py` needs: networks in miniature, a server, and example workflows as prompts."""
