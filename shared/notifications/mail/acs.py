"""Azure Communication Services: every message under its own operation id, so that the service can tell a repetition.

https://learn.microsoft.com/rest/api/communication/email/email/send: POST /emails:send answers 202 with the header
Operation-Id as given; GET /emails/operations/{id} tells whether an operation is known.
"""

from collections.abc import Mapping
from typing import Any

from azure.communication.email import EmailClient
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.core.rest import HttpRequest

from shared.identity.machine import credential, got_no_token
from shared.notifications.channels.base import Message
from shared.notifications.mail.base import MailNotAccepted, MailRefused
from shared.notifications.mail.mime import headers_of
from shared.settings import Settings

_READ_TIMEOUT = 30
_CONNECT_TIMEOUT = 10
_MAY_PASS = frozenset({401, 408, 429, 500, 502, 503, 504})
_API_VERSION = "2025-09-01"


class AzureCommunicationServices:
    """One account. With an identity, 403 may pass too: a role takes minutes until it counts."""

    def __init__(self, client: EmailClient, sender: str, *, by_identity: bool) -> None:
        self._client = client
        self._sender = sender
        self._may_pass = _MAY_PASS | ({403} if by_identity else set())

    def send(self, message: Message, *, tried_before: bool) -> None:
        """See ``Transport.send``."""
        try:
            if tried_before and self._known(message.operation_id):
                return
            self._client.begin_send(_payload(message, self._sender), operation_id=message.operation_id, polling=False)
        except ClientAuthenticationError as error:
            if got_no_token(error):
                raise MailNotAccepted("the app's identity got no token for the mail service") from error
            raise self._refusal(error) from error
        except HttpResponseError as error:
            raise self._refusal(error) from error
        except AzureError as error:
            raise MailNotAccepted("the mail service cannot be reached or does not answer") from error

    def _refusal(self, error: HttpResponseError) -> MailNotAccepted | MailRefused:
        if error.status_code in self._may_pass:
            wait = _retry_after(getattr(error.response, "headers", {}))
            return MailNotAccepted(f"the mail service answers {error.status_code}", wait)
        return MailRefused(f"the mail service refuses the message with {error.status_code}")

    def _known(self, operation_id: str) -> bool:
        request = HttpRequest("GET", f"/emails/operations/{operation_id}", params={"api-version": _API_VERSION})
        response = self._client.send_request(request)
        if response.status_code == 404:
            return False
        try:
            response.raise_for_status()
        except ResourceNotFoundError:
            return False
        return True


def with_key(connection_string: str, sender: str) -> AzureCommunicationServices:
    """The account of a connection string, by its access key."""
    return AzureCommunicationServices(
        EmailClient.from_connection_string(connection_string, **_options()), sender, by_identity=False
    )


def by_identity(settings: Settings) -> AzureCommunicationServices:
    """The account of ``ACS_ENDPOINT``, by the app's identity."""
    client = EmailClient(settings.acs_endpoint, credential(settings), **_options())
    return AzureCommunicationServices(client, settings.mail_from, by_identity=True)


def _options() -> dict[str, Any]:
    """The SDK's own retries are off: it would repeat a POST, and we ask before we do."""
    return {"retry_total": 0, "connection_timeout": _CONNECT_TIMEOUT, "read_timeout": _READ_TIMEOUT}


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that the service asks for (RFC 9110, section 10.2.3, and its own headers); 0 when it does not."""
    for name, unit in (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("Retry-After", 1.0)):
        if headers.get(name, "").isdecimal():
            return int(headers[name]) * unit
    return 0


def _payload(message: Message, sender: str) -> dict[str, object]:
    return {
        "senderAddress": sender,
        "recipients": {"to": [{"address": message.recipient, "displayName": message.recipient_name}]},
        "content": {"subject": message.subject, "plainText": message.text, "html": message.html},
        "headers": headers_of(message),
        "userEngagementTrackingDisabled": True,
    }
