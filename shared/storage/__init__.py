"""Blob and table storage: the only modules that speak to Azure Storage."""
