"""Other codecs, metrics, and the report."""
