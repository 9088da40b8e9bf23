"""Where things are: deterministic names, so that whatever runs twice writes to the same place."""

import re

CONTAINER = "exports"

EXPORTS_TABLE = "SluiceExports"
TENANTS_TABLE = "SluiceTenantOfExport"
LOGS_TABLE = "SluiceLogs"
MAIL_TABLE = "SluiceMail"
CLAIMS_TABLE = "SluiceClaims"
USAGE_TABLE = "SluiceUsage"
NOTIFICATIONS_TABLE = "SluiceNotifications"
PREFERENCES_TABLE = "SluicePreferences"
WEBHOOKS_TABLE = "SluiceWebhooks"
DELIVERIES_TABLE = "SluiceDeliveries"
SWEEPS_TABLE = "SluiceSweeps"
DEAD_LETTERS_TABLE = "SluiceDeadLetters"
SCHEDULES_TABLE = "SluiceSchedules"
SCHEDULE_RUNS_TABLE = "SluiceScheduleRuns"
AUDIT_TABLE = "SluiceAudit"
AUDIT_DIGESTS = "sluice-audit-digests"
COUNTS_TABLE = "SluiceCounts"
CONTROLS_TABLE = "SluiceControls"
LINKS_TABLE = "SluiceLinks"
PEOPLE_TABLE = "SluicePeople"
LINK_TOKENS_TABLE = "SluiceLinkTokens"
LOCKS_TABLE = "SluiceLocks"


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


_NOT_IN_FILE_NAMES = re.compile(
    r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]+'
)
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*(\.|$)")
"""Windows knows no files of these names, with any ending."""
_MAX_CHARACTERS, _MAX_BYTES = 120, 220
"""Of a name without its ending: Linux takes 255 bytes in all, and a browser may add a number."""


def file_name(wanted: str, extension: str) -> str:
    """A name that every desktop accepts: any script, 120 characters at most, and the extension unless it is there.

    >>> file_name("January.csv", "csv.gz")
    'January.csv.gz'
    """
    stem = _NOT_IN_FILE_NAMES.sub("_", wanted).strip(" .")
    if _DEVICES.match(stem):
        stem = f"_{stem}"
    stem = stem[:_MAX_CHARACTERS].encode()[:_MAX_BYTES].decode(errors="ignore").rstrip(" .") or "export"
    endings = extension.split(".")
    for count in range(len(endings), 0, -1):
        if stem.lower().endswith("." + ".".join(endings[:count])):
            return ".".join([stem, *endings[count:]])
    return f"{stem}.{extension}"


def name_inside(container: str, extension: str) -> str:
    """The name of the file in a container of this name.

    >>> name_inside("January.zip", "csv")
    'January.csv'
    """
    return file_name(container.rpartition(".")[0], extension)
