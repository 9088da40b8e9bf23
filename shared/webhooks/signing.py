"""Secrets and signatures of Standard Webhooks.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import secrets
from base64 import b64encode
from collections.abc import Iterable
from datetime import UTC, datetime

_SECRET_BYTES = 32


def new_secret() -> str:
    """A secret of 256 bits, as receivers configure it."""
    return f"whsec_{b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"


def signed_headers(event_id: str, body: str, now: datetime, signing: Iterable[str]) -> dict[str, str]:
    """The headers by which a receiver knows that a body is ours; one signature for each secret, the newest first."""
    from standardwebhooks import Webhook

    moment = now.astimezone(UTC).replace(microsecond=0)
    signatures = [Webhook(secret).sign(event_id, moment, body) for secret in signing]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
