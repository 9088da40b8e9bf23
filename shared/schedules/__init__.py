"""Schedules: exports that are made again and again; ``docs/schedules.md`` tells what they promise."""
