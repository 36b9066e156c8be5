"""The file around a payload: `magic` and `header`, `sections` with their checksums, and `metadata`."""
