"""What the API answers, and the OpenAPI document."""
