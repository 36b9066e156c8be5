"""Pictures as arrays to files and back."""
