"""Answers about the service itself, and those of local development."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from shared.api.schemas.base import Resource
from shared.catalog.export_types import Role


class Health(Resource):
    """The service can do its work."""

    status: Literal["ok"] = Field(description="Always ok; a service that cannot work answers 503.")
    version: str = Field(description="The version of Sluice.")
    refused_export_types: list[str] = Field(
        default_factory=list, description="Types that are not offered. Operators find the reasons in /ops/overview."
    )


class Token(Resource):
    """A bearer token."""

    token: str = Field(description="The token, for the header Authorization: Bearer.")


class ServiceToken(Token):
    """A bearer token of a service."""

    expires_at: datetime = Field(description="When the token stops working.")


class DemoUser(Resource):
    """A person of the demo."""

    user: str = Field(description="The id of the person, for POST /dev/token.")
    name: str = Field(description="The name of the person.")
    email: str = Field(description="The mail address of the person.")
    tenant: str = Field(description="The tenant of the person.")
    roles: list[Role] = Field(description="The roles of the person.")


class DemoUsers(Resource):
    """The people of the demo."""

    items: list[DemoUser] = Field(description="The people of the demo.")


class Mail(Resource):
    """A mail in the local outbox."""

    to: str = Field(description="The address of the recipient.")
    subject: str = Field(description="The subject of the mail.")
    operation_id: str = Field(description="The id by which the mail is sent once only.")
    time: datetime = Field(description="When the mail was written.")
    text: str = Field(description="The mail as plain text.")
    html: str = Field(description="The mail as HTML.")


class Mails(Resource):
    """The local outbox."""

    items: list[Mail] = Field(description="The mails, the newest first.")
