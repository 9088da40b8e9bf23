"""What people would take instead of the embedded host."""
