"""Timers, one module each."""
