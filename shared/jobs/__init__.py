"""The life of an export: its record, plan, start, progress and end, and what may stop or repeat it."""
