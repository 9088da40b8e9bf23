"""What can be exported: export types, columns, the registry of the application's types, tenants and limits."""
