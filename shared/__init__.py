"""What the functions have in common: records, errors, settings, sources, formats, channels and storage."""
