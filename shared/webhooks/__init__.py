"""Webhooks as in Standard Webhooks (https://www.standardwebhooks.com): tenants' endpoints, and what is sent to them."""
