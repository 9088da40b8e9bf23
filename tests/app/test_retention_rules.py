"""How long things are kept: what is said most exactly wins."""

import json
from pathlib import Path

import pytest

from demo.stack import bare_settings
from shared.errors import SettingsError
from shared.retention.rules import kept_for, parse_rules
from shared.settings import Settings, settings_from
from shared.storage.names import CONTAINER

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("tenant", "export_type", "own", "days"),
    [
        ("acme", "sessions", 7, 90),
        ("acme", "users", 7, 30),
        ("globex", "sessions", 7, 0.5),
        ("globex", "users", 7, 7),
        ("globex", "users", None, 14),
    ],
)
def test_the_most_exact_rule_wins(tenant: str, export_type: str, own: float | None, days: float) -> None:
    """Tenant and type, tenant, the type's own, everybody's."""
    rules = parse_rules(" acme=30, acme/sessions = 90,globex/sessions=0.5,")
    assert kept_for(rules, tenant, export_type, own, 14).total_seconds() == days * 86_400


@pytest.mark.parametrize("text", ["acme", "acme=", "=3", "acme=soon", "acme=0", "acme=-1", "acme=4000", "acme=nan"])
def test_a_wrong_rule_is_named(text: str) -> None:
    """By the setting's name, with what it takes."""
    with pytest.raises(SettingsError, match="RETENTION_DAYS_BY_TENANT: takes rules such as 'acme=30"):
        settings_from({**bare_settings("x"), "RETENTION_DAYS_BY_TENANT": text})


def test_the_safety_net_outlasts_retention() -> None:
    """The storage's own policy deletes only what retention, with its defaults, has long removed."""
    (rule,) = json.loads((ROOT / "infra" / "lifecycle-policy.json").read_text())["rules"]
    days = rule["definition"]["actions"]["baseBlob"]["delete"]["daysAfterModificationGreaterThan"]
    fields = Settings.model_fields
    assert days > 2 * (fields["retention_days"].default + fields["record_retention_days"].default)
    assert rule["definition"]["filters"]["prefixMatch"] == [f"{CONTAINER}/"]
