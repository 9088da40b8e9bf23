"""The audit log: entries, their chain, digests, verification, and the recorder that writes them."""
