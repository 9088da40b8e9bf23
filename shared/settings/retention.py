"""Settings of how long files, records and audit entries are kept."""

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from shared.retention.rules import parse_rules
from shared.settings.fields import Days, SettingsGroup

Rules = Annotated[
    dict[str, float], BeforeValidator(lambda value: parse_rules(value) if isinstance(value, str) else value)
]
"""Days by ``tenant`` or ``tenant/type``."""


class RetentionSettings(SettingsGroup):
    """What is removed, and when."""

    group: ClassVar[str] = "Retention and audit"

    retention_days: Days = Field(default=7, description="How long a finished file is kept.")
    record_retention_days: Days = Field(
        default=30, description="How long the record of an export is kept after its file is removed."
    )
    retention_days_by_tenant: Rules = Field(
        default={},
        description="Retention in days per tenant or per tenant and type, such as `acme=30, acme/sessions=90`.",
    )
    record_retention_days_by_tenant: Rules = Field(
        default={}, description="Record retention in days per tenant or per tenant and type, in the same form."
    )
    retention_schedule: str = Field(
        default="0 */10 * * * *", description="When retention runs: NCRONTAB with seconds, UTC."
    )
    retention_run_seconds: Annotated[int, Field(ge=1, le=3600)] = Field(
        default=240, description="Time limit of one retention run. The next run continues."
    )
    audit_retention_days: Days = Field(
        default=365, description="How long an audit entry is kept. Entries are removed by whole UTC days."
    )
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = Field(
        default=0,
        description="Number of proxies in front of the platform, such as 1 for Front Door. The audit log skips their "
        "addresses.",
    )
