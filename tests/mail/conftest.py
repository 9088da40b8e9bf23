"""A table of its own for each test that remembers mails."""

import pytest
from azure.data.tables import TableServiceClient

from demo.azurite_server import Azurite
from shared.notifications.sent_messages import SentMail


@pytest.fixture
def tables(azurite: Azurite) -> TableServiceClient:
    """The module's tables."""
    return TableServiceClient.from_connection_string(azurite.connection_string)


@pytest.fixture
def sent_mail(tables: TableServiceClient) -> SentMail:
    """What was begun and accepted; empty for the export of these tests."""
    sent = SentMail(tables)
    sent.prepare()
    sent.delete("0001")
    return sent
