"""A program that uses the client of openapi-python-client: start an export, and print the status that it had."""

import sys
from typing import Any

sluice: Any = __import__("sluice_client.client")
models: Any = __import__("sluice_client.models", fromlist=["*"])
start: Any = __import__("sluice_client.api.exports.start_export", fromlist=["*"])

base_url, token = sys.argv[1:]
client = sluice.client.AuthenticatedClient(base_url=base_url, token=token)
body = models.ExportRequest.from_dict({"exportType": "users", "format": "csv", "fresh": True})
accepted = start.sync(client=client, body=body)
sys.stdout.write(f"{accepted.status.value}\n")
