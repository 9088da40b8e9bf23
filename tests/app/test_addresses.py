"""Mail addresses: which can be mailed, how they are written, and which of them belongs to a caller."""

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from demo.stack import bare_settings
from shared.identity.caller import Caller, caller_of_claims
from shared.identity.easy_auth import principal_claims
from shared.identity.mail_address import mail_address
from shared.notifications.channels.base import Message
from shared.notifications.mail.base import MailRefused
from shared.notifications.mail.mime import mail_of
from shared.settings import Settings, settings_from

SETTINGS: Settings = settings_from(
    {
        **bare_settings("UseDevelopmentStorage=true"),
        "AUTH_MODE": "jwt",
        "JWT_ISSUER": "https://issuer.example",
        "JWT_AUDIENCE": "api://sluice",
    }
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ada@acme.example", "ada@acme.example"),
        ("Ada.O'Neil+exports@Acme.Example", "Ada.O'Neil+exports@Acme.Example"),
        ("ada@localhost", "ada@localhost"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@straße.example", "ada@xn--strae-oqa.example"),
        ("ada@例え.テスト", "ada@xn--r8jz45g.xn--zckzah"),
        ("a" * 64 + "@acme.example", "a" * 64 + "@acme.example"),
    ],
)
def test_an_address_is_written_as_mail_needs_it(text: str, wanted: str) -> None:
    """In ASCII; the domain by IDNA 2008, under which a sharp s is not two s."""
    assert mail_address(text) == wanted
    assert mail_address(wanted) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "@acme.example",
        "ada@",
        "ada@acme@globex.example",
        "Ada <ada@acme.example>",
        "<ada@acme.example>",
        "ada@acme.example (Ada)",
        '"ada lovelace"@acme.example',
        "ada@acme.example, eve@evil.example",
        "ada@acme.example;eve@evil.example",
        "friends: ada@acme.example;",
        "ada@acme.example\r\nBcc: eve@evil.example",
        "ada@acme.example\n",
        "ada\x00@acme.example",
        " ada@acme.example",
        "ada@acme.example ",
        "ada lovelace@acme.example",
        ".ada@acme.example",
        "ada.@acme.example",
        "ada..l@acme.example",
        "ada@acme..example",
        "ada@.acme.example",
        "ada@acme.example.",
        "ada@-acme.example",
        "ada@acme_x.example",
        "ada@[127.0.0.1]",
        "ädä@acme.example",
        "ada@\u202eacme.example",
        "ada@\ud800.example",
        "ada@xn--\u00fc.example",
        "a" * 65 + "@acme.example",
        "ada@" + "a" * 64 + ".example",
        "ada@" + "a.example" * 40,
        "ada@" + "ü" * 62 + ".example",
    ],
)
def test_what_is_no_single_address_gets_no_mail(text: str) -> None:
    """No display name, no list, no quotation marks, no other script before the at sign, nothing too long."""
    assert mail_address(text) == ""


def message(recipient: str) -> Message:
    """A mail to this address."""
    return Message("op", recipient, "Ada", "subject", "text", "html")


@given(st.text(max_size=40))
@example("ädä@acme.example")
@example("ada@\ud800.example")
@example("=?utf-8?q?x?=@acme.example")
@example("ada@acme.example\r\nBcc: eve@evil.example")
def test_whatever_an_address_is_a_mail_is_made_or_refused(text: str) -> None:
    """Never another error; and what can be mailed makes a mail to that address alone."""
    try:
        mail = mail_of(message(text), "exports@acme.example")
    except MailRefused as refused:
        said = str(refused)
    else:
        assert [a.addr_spec for a in mail["To"].addresses] == [text]
        return
    assert mail_address(text) == ""
    assert re.fullmatch(r"a mail cannot be made of this \(\w+\)", said)


@given(st.emails())
def test_ordinary_addresses_are_good(text: str) -> None:
    """Whatever RFC 5322 allows as a dot-atom at a domain."""
    assert mail_address(text) == text


def of_token(**claims: Any) -> Caller:
    """Who calls with these claims in a token."""
    return caller_of_claims({"sub": "u-1", "tid": "acme", "roles": ["Admin"], **claims}, SETTINGS)


def of_header(**claims: Any) -> Caller:
    """Who calls with the same claims in the header of App Service authentication, which has texts only."""
    whole = {"sub": "u-1", "tid": "acme", "roles": "Admin", **claims}
    listed = [{"typ": name, "val": str(value)} for name, value in whole.items()]
    header = base64.b64encode(json.dumps({"auth_typ": "aad", "claims": listed}).encode()).decode()
    return caller_of_claims(principal_claims(header, "aad"), SETTINGS)


ADDRESS = "una@acme.example"


@pytest.mark.parametrize("of", [of_token, of_header])
@pytest.mark.parametrize("claim", ["email_verified", "xms_edov"])
def test_an_address_that_nobody_checked_gets_no_mail(of: Any, claim: str) -> None:
    """However the issuer writes it; what else may be an address is not taken in its place."""
    for no in (False, "false", "False", 0, "0", "no", ""):
        caller = of(email=ADDRESS, preferred_username="other@acme.example", upn="third@acme.example", **{claim: no})
        assert (caller.email, caller.name, caller.user) == ("", "u-1", "u-1"), no
    for yes in (True, "true", "True", 1, "1"):
        assert of(email=ADDRESS, **{claim: yes}).email == ADDRESS, yes
    assert of(email=ADDRESS).email == ADDRESS


def test_a_claim_that_is_neither_yes_nor_no_is_no() -> None:
    """Null, an object, an empty list, a list that says both."""
    for value in (None, {}, [], ["true", "false"], {"verified": True}):
        assert of_token(email=ADDRESS, email_verified=value).email == "", value
    assert of_token(email=ADDRESS, email_verified=[True]).email == ADDRESS


def test_the_first_address_that_can_be_mailed_is_taken() -> None:
    """A display name or another script in one claim does not hide the address in the next."""
    assert of_token(email="Una <una@acme.example>", preferred_username="una@bücher.example").email == (
        "una@xn--bcher-kva.example"
    )
    caller = of_token(email="ünä@acme.example", upn="una")
    assert (caller.email, caller.name) == ("", "u-1")


@pytest.mark.parametrize("text", ["Ops <ops@acme.example>", "ops@acme.example, dev@acme.example", "öps@acme.example"])
def test_operators_have_one_address(text: str) -> None:
    """A setting that no mail could go to is refused by name."""
    values = {**SETTINGS.model_dump(), "operator_email": text}
    with pytest.raises(ValueError, match=r"takes one address such as operators@example\.com"):
        Settings.model_validate(values)


@pytest.mark.parametrize(
    ("sender", "transport", "good"),
    [
        ("exports@acme.example", "acs", True),
        ("Exports <exports@acme.example>", "outbox", True),
        ('"Exports, all" <exports@xn--bcher-kva.example>', "outbox", True),
        ("Exports <exports@acme.example>", "acs", False),
        ("exports@bücher.example", "outbox", False),
        ("éxports@acme.example", "outbox", False),
        ("exports@acme.example, other@acme.example", "outbox", False),
        ("exports@acme.example\r\nBcc: eve@evil.example", "outbox", False),
        ("exports", "outbox", False),
    ],
)
def test_the_sender_is_one_address(sender: str, transport: str, good: bool) -> None:
    """Otherwise every mail would be refused, one by one."""
    values = {**SETTINGS.model_dump(), "mail_from": sender, "mail_transport": transport}
    values |= {"acs_endpoint": "https://acme.communication.azure.com"} if transport == "acs" else {}
    if good:
        assert Settings.model_validate(values).mail_from == sender
    else:
        with pytest.raises(ValueError, match="MAIL_FROM takes one address such as exports@example"):
            Settings.model_validate(values)
