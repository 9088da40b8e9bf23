"""HTTP endpoints: each parses a request, calls one function of ``shared``, and renders the answer."""
