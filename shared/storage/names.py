"""Where things are: deterministic names, so that whatever runs twice writes to the same place."""

import re

CONTAINER = "exports"

EXPORTS_TABLE = "SluiceExports"
TENANTS_TABLE = "SluiceTenantOfExport"
LOGS_TABLE = "SluiceLogs"
MAIL_TABLE = "SluiceMail"
CLAIMS_TABLE = "SluiceClaims"
USAGE_TABLE = "SluiceUsage"


def folder(tenant: str, export_id: str) -> str:
    """The folder of everything that belongs to an export."""
    return f"{tenant}/{export_id}/"


def plan_blob(tenant: str, export_id: str) -> str:
    return folder(tenant, export_id) + "plan.json"


def parts_folder(tenant: str, export_id: str) -> str:
    return folder(tenant, export_id) + "parts/"


def part_blob(tenant: str, export_id: str, index: int) -> str:
    return f"{parts_folder(tenant, export_id)}{index:06d}"


def final_blob(tenant: str, export_id: str, extension: str) -> str:
    return f"{folder(tenant, export_id)}file.{extension}"


def export_instance(export_id: str, attempt: int) -> str:
    """The instance id of the orchestration of an attempt: the export's id, and of a retry a number after it."""
    return export_id if attempt == 1 else f"{export_id}-{attempt}"


def notification_instance(export_id: str) -> str:
    """The instance id of the orchestration that waits before it sends the mail."""
    return f"{export_id}-notify"


_NOT_IN_FILE_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\u200e\u200f\u202a-\u202e\u2066-\u2069]+')


def file_name(wanted: str, extension: str) -> str:
    """A name that every desktop accepts: any script, 120 characters at most, and the extension."""
    stem = _NOT_IN_FILE_NAMES.sub("_", wanted).strip(" .")[:120].rstrip(" .") or "export"
    suffix = f".{extension}"
    return stem if stem.lower().endswith(suffix) else stem + suffix
