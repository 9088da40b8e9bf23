"""Attacks on the service, in families of hostile inputs: ``make test-attack`` tries all, ``make test`` some of each."""
