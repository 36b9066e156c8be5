"""The file around a payload."""
