"""Which links ask for sign-in, and which token a mail has."""

import pytest

from shared.errors import SettingsError
from shared.notifications.link_rules import asks_for_sign_in, parse_sign_in_rules
from shared.notifications.links import file_link, file_token, unsubscribe_link, unsubscribe_token
from shared.settings import Settings, settings_from
from tests.app.test_settings import JWT, RIGHT

EASYAUTH = {"AUTH_MODE": "easyauth", "WEBSITE_AUTH_ENABLED": "true"}


@pytest.mark.parametrize(
    ("rules", "own", "usual", "asks"),
    [
        ("", None, False, False),
        ("", None, True, True),
        ("false", None, True, False),
        ("true", False, False, False),
        ("false", True, True, True),
        ("true, acme=false", True, True, False),
        ("TRUE, acme=False, acme/users = true", False, False, True),
        ("globex=true, acme/sessions=true", None, False, False),
    ],
)
def test_what_is_said_most_exactly_wins(rules: str, own: bool | None, usual: bool, asks: bool) -> None:
    """Tenant and type, tenant, the type's own value, the rule for everybody, what is usual in the mode."""
    assert asks_for_sign_in(parse_sign_in_rules(rules), "acme", "users", own, usual) is asks


@pytest.mark.parametrize("rules", ["yes", "acme", "acme=1", "=true", "acme=true globex=true"])
def test_a_wrong_rule_is_named(rules: str) -> None:
    """With what is valid."""
    with pytest.raises(SettingsError, match=r"LINKS_REQUIRE_SIGN_IN: takes rules such as .*acme=false.*; got '"):
        settings_from(RIGHT | EASYAUTH | {"LINKS_REQUIRE_SIGN_IN": rules})


@pytest.mark.parametrize("mode", [{"AUTH_MODE": "dev"}, JWT])
def test_only_app_service_can_sign_people_in_on_the_way(mode: dict[str, str]) -> None:
    """Elsewhere the setting is refused, which says so; to say that links ask for nothing is right anywhere."""
    for rules in ("true", "acme/users=true, false"):
        with pytest.raises(SettingsError, match="AUTH_MODE=easyauth"):
            settings_from(RIGHT | mode | {"LINKS_REQUIRE_SIGN_IN": rules})
    assert not any(settings_from(RIGHT | mode | {"LINKS_REQUIRE_SIGN_IN": "false"}).links_require_sign_in.values())


def ring(key: str, accepted: str = "") -> Settings:
    """Settings with these keys."""
    keys = {"LINK_SIGNING_KEY": key, "LINK_SIGNING_KEYS_ACCEPTED": accepted, "PUBLIC_URL": "https://x.example/base/"}
    return settings_from(RIGHT | keys)


OLD, NEW = "Zq3vT9xKp2Lw8RfJm5Yd7BnHc4GsUa6E", "e8HtW2nQy5ZkXr9Mb3VjPd7LgFs4Cu6A"


def test_a_mail_that_is_made_twice_has_one_link() -> None:
    """And another message, recipient, generation or key has another; it is opaque, and behind the #."""
    token = file_token("op", 1, ring(OLD))
    assert token == file_token("op", 1, ring(OLD, NEW))
    others = {file_token("op2", 1, ring(OLD)), file_token("op", 2, ring(OLD)), file_token("op", 1, ring(NEW, OLD))}
    others.add(unsubscribe_token("op", "1", ring(OLD)))
    assert len(others - {token}) == 4
    assert len(token) == 32
    assert file_link(token, ring(OLD)) == f"https://x.example/base/api/d#{token}"
    assert unsubscribe_link(token, ring(OLD)) == f"https://x.example/base/api/unsubscribe/{token}"
