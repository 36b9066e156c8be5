"""The scalar payload."""
