"""Settings of how exports run, when schedules start them, and how many a tenant and a user may have."""

from typing import Annotated, ClassVar

from pydantic import Field

from shared.settings.fields import AtLeastOne, Days, Seconds, SettingsGroup


class RunSettings(SettingsGroup):
    """From the request to the file."""

    group: ClassVar[str] = "Export runs"

    part_rows: Annotated[int, Field(ge=1, le=10_000_000)] = Field(default=50_000, description="Rows per part.")
    parts_in_flight: Annotated[int, Field(ge=1, le=100)] = Field(
        default=8, description="Number of parts of one export that run concurrently, over all workers."
    )
    part_attempts: Annotated[int, Field(ge=1, le=20)] = Field(
        default=6,
        description="Number of attempts of a step before the export fails. Only transient failures are tried again.",
    )
    retry_first_seconds: Annotated[float, Field(gt=0)] = Field(
        default=2,
        description="Pause before the first retry of a step. It doubles with each retry, up to a minute.",
    )
    dedup_window_seconds: Seconds = Field(
        default=600,
        description="How long a completed export is returned for an identical request by the same user "
        "(deduplication window).",
    )
    max_export_seconds: AtLeastOne = Field(default=43_200, description="Fail an export that runs longer than this.")
    max_standstill_seconds: AtLeastOne = Field(
        default=3_600, description="Fail an export that has made no progress for this long."
    )
    watchdog_schedule: str = Field(
        default="0 * * * * *", description="When the watchdog runs: NCRONTAB with seconds, UTC."
    )
    watchdog_grace_seconds: Seconds = Field(
        default=60, description="Minimum age of an export before the watchdog looks at it."
    )


class ScheduleSettings(SettingsGroup):
    """Exports that run again and again."""

    group: ClassVar[str] = "Schedules"

    scheduler_schedule: str = Field(
        default="0 * * * * *", description="When due schedules are started: NCRONTAB with seconds, UTC."
    )
    max_schedules_per_user: AtLeastOne = Field(default=50, description="Maximum number of schedules of a user.")
    schedule_stop_after_failures: AtLeastOne = Field(
        default=5,
        description="Stop a schedule after this many failed runs in a row, unless the schedule sets its own number.",
    )
    schedule_stop_after_unread: AtLeastOne = Field(
        default=30, description="Stop a schedule after this many files in a row that nobody downloaded."
    )
    schedule_trust_days: Days = Field(
        default=90,
        description="Stop a schedule when its owner's permissions have not been refreshed for this many days.",
    )


class QuotaSettings(SettingsGroup):
    """What a tenant and a user may have."""

    group: ClassVar[str] = "Quotas"

    max_running_per_tenant: AtLeastOne = Field(
        default=500, description="Maximum number of running and waiting exports of a tenant."
    )
    max_running_per_user: AtLeastOne = Field(
        default=100, description="Maximum number of running and waiting exports of a user."
    )
    run_at_once_per_tenant: AtLeastOne = Field(
        default=5, description="Number of exports of a tenant that run concurrently. Further exports wait."
    )
    max_exports_per_day_per_tenant: AtLeastOne = Field(
        default=10_000, description="Maximum number of exports that a tenant starts per UTC day."
    )
    max_exports_per_day_per_user: AtLeastOne = Field(
        default=1_000, description="Maximum number of exports that a user starts per UTC day."
    )
    max_bytes_per_day_per_tenant: AtLeastOne = Field(
        default=1_000_000_000_000,
        description="Maximum bytes of all files of a tenant per UTC day. A file beyond it is not published.",
    )
    max_bytes_per_day_per_user: AtLeastOne = Field(
        default=100_000_000_000,
        description="Maximum bytes of all files of a user per UTC day. A file beyond it is not published.",
    )
    max_bytes_per_export: AtLeastOne | None = Field(
        default=None, description="Maximum bytes of one file. Empty: the limit of blob storage."
    )


class RateSettings(SettingsGroup):
    """How often somebody may call, and how much a call may count."""

    group: ClassVar[str] = "Rate limits and estimates"

    requests_per_minute_per_user: AtLeastOne = Field(
        default=3_000,
        description="Maximum number of requests of a user per minute and worker process; half as many may come at "
        "once. Further requests get 429.",
    )
    requests_per_minute_per_tenant: AtLeastOne = Field(
        default=12_000,
        description="Maximum number of requests of a tenant per minute and worker process; half as many may come at "
        "once. Further requests get 429.",
    )
    failed_sign_ins_per_minute_per_address: AtLeastOne = Field(
        default=3_000,
        description="Maximum number of requests without a valid token, per minute and client address, that get 401. "
        "Further ones get 429.",
    )
    estimate_seconds: Annotated[int, Field(ge=1, le=200)] = Field(
        default=20, description="Time limit for counting rows in the database: for an estimate, or for a row limit."
    )
    estimates_at_once: Annotated[int, Field(ge=1, le=64)] = Field(
        default=4, description="Number of such counts that a worker process runs concurrently. Further counts wait."
    )
    max_estimates_per_user: AtLeastOne = Field(
        default=10,
        description="Maximum number of running and waiting counts of a user in a worker process. Further requests "
        "get 429.",
    )
    max_estimates_per_tenant: AtLeastOne = Field(
        default=20,
        description="Maximum number of running and waiting counts of a tenant in a worker process. Further requests "
        "get 429.",
    )
