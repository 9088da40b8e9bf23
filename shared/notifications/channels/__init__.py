"""Notification channels: one file each behind one interface (see ``base.py``), and the list of them.

The name is the one in requests, preferences and export types; ``in_app`` is ``inApp`` in JSON.
"""

from collections.abc import Callable, Mapping

from azure.data.tables import TableServiceClient

from shared.notifications.channels.base import Channel
from shared.notifications.channels.email import EmailChannel
from shared.notifications.channels.in_app import InAppChannel
from shared.settings import Settings

CHANNELS: Mapping[str, Callable[[Settings, TableServiceClient], Channel]] = {
    "email": EmailChannel,
    "in_app": lambda settings, tables: InAppChannel(tables),
}
