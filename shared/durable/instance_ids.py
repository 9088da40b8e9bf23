"""The ids of orchestrations, derived from those of exports and deliveries."""


def group_instance(instance: str, first: int) -> str:
    """The instance id of the sub-orchestration that runs the parts from ``first`` on."""
    return f"{instance}-parts-{first:06d}"


def group_instances(instance: str, parts: int) -> list[str]:
    """The sub-orchestrations of an attempt of so many parts; ``instance`` is the attempt's own."""
    groups = range(0, parts, PARTS_PER_GROUP) if parts > PARTS_PER_GROUP else ()
    return [group_instance(instance, first) for first in groups]


PARTS_PER_GROUP = 150
"""An export of more parts runs them in sub-orchestrations of this size: replaying n parts costs n squared."""


def export_instance(export_id: str, attempt: int) -> str:
    """The instance id of the orchestration of an attempt: the export's id, and of a retry a number after it."""
    return export_id if attempt == 1 else f"{export_id}-{attempt}"


def notification_instance(export_id: str, attempt: int = 1) -> str:
    """The instance id of the orchestration that waits before it sends the mail about an attempt."""
    return f"{export_instance(export_id, attempt)}-notify"


def delivery_instance(endpoint_id: str, delivery_id: str, round_: int) -> str:
    """The instance id of the orchestration that sends an event to an endpoint; ``round_`` counts redeliveries."""
    return f"{endpoint_id}-{delivery_id}-{round_}"
