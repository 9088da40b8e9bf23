"""Schedules: exports that are made again and again; ``docs/explanation/schedules.md`` tells what they promise."""
