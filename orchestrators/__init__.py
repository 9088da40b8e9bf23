"""What waits: the export, a group of its parts, the notification, and the delivery of an event.

Deterministic code only: no clock, no random numbers, no environment, no I/O. All that belongs into activities.
"""

from orchestrators import delivery, export, notification, parts

BLUEPRINTS = (export.bp, parts.bp, notification.bp, delivery.bp)
