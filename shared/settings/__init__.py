"""Settings: environment variables, read once on first use and checked as a whole.

``Settings`` is the complete list, put together from one class per subject; ``GROUPS`` are these classes. An export
type's own value wins over the setting of the same meaning.
"""

import os
from collections.abc import Mapping
from functools import cache

from pydantic import ValidationError

from shared.errors import SettingsError
from shared.settings.access import AccessSettings, LinkSettings
from shared.settings.access_rules import mode_refused, wrong_here
from shared.settings.development_key import data_folder, development_key
from shared.settings.environment import is_local_development
from shared.settings.exports import QuotaSettings, RateSettings, RunSettings, ScheduleSettings
from shared.settings.fields import SENTENCE, SettingsGroup
from shared.settings.outward import MailSettings, NotificationSettings, TelemetrySettings, WebhookSettings
from shared.settings.retention import RetentionSettings
from shared.settings.storage import SourceSettings, StorageSettings, in_clear_text

GROUPS: tuple[type[SettingsGroup], ...] = (
    StorageSettings,
    SourceSettings,
    AccessSettings,
    LinkSettings,
    RunSettings,
    NotificationSettings,
    MailSettings,
    WebhookSettings,
    ScheduleSettings,
    QuotaSettings,
    RateSettings,
    RetentionSettings,
    TelemetrySettings,
)
"""In the order in which the documents have them; see ``doc_tools/settings_page.py``."""


class Settings(
    StorageSettings,
    SourceSettings,
    LinkSettings,
    RunSettings,
    NotificationSettings,
    MailSettings,
    WebhookSettings,
    ScheduleSettings,
    QuotaSettings,
    RateSettings,
    RetentionSettings,
    TelemetrySettings,
):
    """Every setting, by its environment variable in lower case."""

    @property
    def sealing_keys(self) -> tuple[str, ...]:
        """What encrypts secrets that are stored, first the one that encrypts new ones.

        The keys that sign links are the last, so that they can be replaced by keys of their own.
        """
        return (*self.webhook_secret_keys, *self.signing_keys)


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Check an environment and give the settings in it. Raises ``SettingsError`` that names each wrong variable.

    In local development without a signing key one is made; see ``shared/settings/development_key.py``.
    """
    values = {name.lower(): value for name, value in environment.items() if value != ""}
    mode = values.get("auth_mode", "")
    wrong = [mode_refused(mode, environment)]
    old = values.pop("jwt_directories", "")
    if old and values.setdefault("allowed_directories", old) != old:
        wrong.append("JWT_DIRECTORIES is the old name of ALLOWED_DIRECTORIES, and both are set; leave the old one out")
    if not wrong[0]:
        values["auth_mode"] = mode or "dev"
    try:
        if "link_signing_key" not in values and is_local_development(environment):
            values["link_signing_key"] = development_key(data_folder(environment))
        settings = Settings.model_validate(values)
        wrong += wrong_here(settings, environment)
        if in_clear_text(settings.azurewebjobsstorage) and not is_local_development(environment):
            wrong.append("AzureWebJobsStorage would send files without encryption; give https endpoints")
    except ValidationError as error:
        wrong += [_sentence(e["type"], e["loc"], e["msg"]) for e in error.errors(include_input=False)]
    if any(wrong):
        raise SettingsError("; ".join(filter(None, wrong)))
    return settings


@cache
def settings() -> Settings:
    """The settings of this process."""
    return settings_from(os.environ)


def variable(field: str) -> str:
    """The environment variable of a field, as the documents write it."""
    return Settings.model_fields[field].title or field.upper()


def _sentence(kind: str, location: tuple[int | str, ...], message: str) -> str:
    text = message.removeprefix("Value error, ")
    return f"{variable(str(location[0]))}{' ' if kind == SENTENCE else ': '}{text}" if location else text
