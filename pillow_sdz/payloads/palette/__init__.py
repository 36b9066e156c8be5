"""The palette payload."""
