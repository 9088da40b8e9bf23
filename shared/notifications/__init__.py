"""Who is notified of what, through which channel, and in which words."""
