"""Log, metrics and traces, and what none of them may say."""
