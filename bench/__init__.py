"""Benchmarks: ours beside a peer, in one run, as a ratio of medians."""
