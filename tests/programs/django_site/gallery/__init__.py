"""Photos with thumbnails by three libraries."""
