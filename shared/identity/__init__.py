"""Who calls, and what they may do; people who left; the app's own identity."""
