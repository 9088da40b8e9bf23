"""A table of its own for each test that remembers mails."""

import pytest
from azure.data.tables import TableServiceClient

from demo.azurite_server import Azurite
from shared.storage.sent_mail import SentMail


@pytest.fixture
def sent_mail(azurite: Azurite) -> SentMail:
    """What was begun and accepted; empty for the export of these tests."""
    sent = SentMail(TableServiceClient.from_connection_string(azurite.connection_string))
    sent.prepare()
    sent.delete("0001")
    return sent
