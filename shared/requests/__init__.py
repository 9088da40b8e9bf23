"""What the API takes, typed: bodies, filter values, and the query that is built of a request."""
