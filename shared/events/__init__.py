"""What happened to exports and is still to be announced."""
