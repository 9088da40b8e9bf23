"""An event as receivers get it: the body of a delivery."""

import json

from shared.events.outbox import Entry, EventType
from shared.settings import Settings

SUBSCRIBED = tuple(event for event in EventType if event is not EventType.WEBHOOK_PING)
"""What an endpoint may ask for; the ping comes when somebody asks for one."""


def body_of(entry: Entry, settings: Settings) -> str:
    """The body: ``{type, timestamp, data}``; an export's data has its URL in the API too."""
    data = dict(entry.data)
    if entry.type != EventType.WEBHOOK_PING:
        data["url"] = f"{settings.public_url.rstrip('/')}/api/exports/{data['id']}"
    whole = {"type": entry.type, "timestamp": entry.at, "data": data}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
