"""Families of attacks; each module lists its own in ``FAMILIES``."""
