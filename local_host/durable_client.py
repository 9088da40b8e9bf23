"""The value a durable client binding receives, and the management URLs of an instance.

The shape is the one ``azure.durable_functions`` reads (``DurableOrchestrationBindings``) and hands on in
``create_check_status_response``.
"""

from __future__ import annotations

import json
from urllib.parse import quote

WEBHOOK_PATH = "/runtime/webhooks/durabletask"
CONNECTION = "Storage"

_PLACEHOLDER = "INSTANCEID"


def management_urls(origin: str, instance_id: str, hub_name: str, system_key: str) -> dict[str, str]:
    """Return the URLs to manage an instance, by the names clients know. ``origin`` is like ``http://host:port``."""
    query = f"taskHub={quote(hub_name)}&connection={CONNECTION}&code={quote(system_key)}"
    base = f"{origin}{WEBHOOK_PATH}/instances/{quote(instance_id, safe=':@')}"
    return {
        "id": instance_id,
        "statusQueryGetUri": f"{base}?{query}",
        "sendEventPostUri": f"{base}/raiseEvent/{{eventName}}?{query}",
        "terminatePostUri": f"{base}/terminate?reason={{text}}&{query}",
        "rewindPostUri": f"{base}/rewind?reason={{text}}&{query}",
        "purgeHistoryDeleteUri": f"{base}?{query}",
        "restartPostUri": f"{base}/restart?{query}",
        "suspendPostUri": f"{base}/suspend?reason={{text}}&{query}",
        "resumePostUri": f"{base}/resume?reason={{text}}&{query}",
    }


def binding_value(origin: str, rpc_base_url: str, hub_name: str, system_key: str) -> str:
    """Return the JSON text every durable client parameter gets. ``rpc_base_url`` ends with a slash."""
    query = f"taskHub={quote(hub_name)}&connection={CONNECTION}&code={quote(system_key)}"
    create = f"{origin}{WEBHOOK_PATH}/orchestrators/{{functionName}}[/{{instanceId}}]"
    return json.dumps(
        {
            "taskHubName": hub_name,
            "connectionName": CONNECTION,
            "creationUrls": {
                "createNewInstancePostUri": f"{create}?{query}",
                "createAndWaitOnNewInstancePostUri": (
                    f"{create}?timeout={{timeoutInSeconds}}&pollingInterval={{intervalInSeconds}}&{query}"
                ),
            },
            "managementUrls": management_urls(origin, _PLACEHOLDER, hub_name, system_key),
            "baseUrl": f"{origin}{WEBHOOK_PATH}",
            "requiredQueryStringParameters": f"code={quote(system_key)}",
            "rpcBaseUrl": rpc_base_url,
            "httpBaseUrl": f"{origin}{WEBHOOK_PATH}",
        }
    )
