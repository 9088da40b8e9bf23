"""What waits: the export, a group of its parts, and the notification.

Deterministic code only: no clock, no random numbers, no environment, no I/O. All that belongs into activities.
"""

from orchestrators import export, notification, parts

BLUEPRINTS = (export.bp, parts.bp, notification.bp)
