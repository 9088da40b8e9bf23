"""What is open is open in local development alone: wherever else this runs, with whatever is missing or forged."""

import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from shared.errors import SettingsError
from shared.settings import settings_from
from shared.settings.access_rules import check_request
from shared.settings.environment import is_local_development, is_loopback
from tests.environments import LOCAL, PLATFORMS

DEVELOPMENT = {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"}
RIGHT = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "SOURCE_URL": "sqlite:///x.db",
    "LINK_SIGNING_KEY": secrets.token_urlsafe(32),
    "PUBLIC_URL": "https://exports.example.com",
}
JWT = {"AUTH_MODE": "jwt", "JWT_ISSUER": "https://login.example.com", "JWT_AUDIENCE": "api://sluice"}
EASY = {"AUTH_MODE": "easyauth", "WEBSITE_AUTH_ENABLED": "True"}

STAGES: Mapping[str, Mapping[str, str]] = {
    "no stage": {},
    "Development": DEVELOPMENT,
    "another case": {"AZURE_FUNCTIONS_ENVIRONMENT": "DEVELOPMENT"},
    "Production": {"AZURE_FUNCTIONS_ENVIRONMENT": "Production"},
    "Staging": {"AZURE_FUNCTIONS_ENVIRONMENT": "Staging"},
}


def refusal(environment: Mapping[str, str]) -> str:
    """What settings in this environment are refused with."""
    with pytest.raises(SettingsError) as caught:
        settings_from(environment)
    return str(caught.value)


@pytest.mark.parametrize("mode", [{}, {"AUTH_MODE": ""}, {"AUTH_MODE": "dev"}], ids=str)
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("place", PLATFORMS)
def test_no_platform_is_open(place: str, stage: str, mode: Mapping[str, str]) -> None:
    """Whatever the stage says; with what to set in its place."""
    told = refusal({**RIGHT, **PLATFORMS[place], **STAGES[stage], **mode})
    assert told.startswith("AUTH_MODE=dev signs" if mode.get("AUTH_MODE") else "AUTH_MODE is not set, and AUTH_MODE=")
    assert told.endswith(
        "set AUTH_MODE to jwt (tokens of an OpenID Connect issuer) or easyauth (App Service authentication)"
    )


@pytest.mark.parametrize("place", [name for name in PLATFORMS if len(PLATFORMS[name]) > 4])
def test_no_variables_absence_opens_anything(place: str) -> None:
    """Each of a platform's variables may be missing."""
    whole = PLATFORMS[place]
    for missing in whole:
        rest = {name: value for name, value in whole.items() if name != missing}
        assert not is_local_development({**DEVELOPMENT, **rest}), missing


@pytest.mark.parametrize(
    "name",
    [
        "WEBSITE_INSTANCE_ID",
        "WEBSITE_POD_NAME",
        "CONTAINER_NAME",
        "LEGION_SERVICE_HOST",
        "WEBSITE_SKU",
        "WEBSITE_SITE_NAME",
        "WEBSITE_AUTH_ENABLED",
        "WEBSITE_SOMETHING_NEW",
        "CONTAINER_APP_NAME",
        "CONTAINER_APP_ENV_DNS_SUFFIX",
        "CONTAINER_APP_JOB_NAME",
        "KUBERNETES_SERVICE_HOST",
        "MANAGED_ENVIRONMENT",
        "POD_NAMESPACE",
        "IDENTITY_ENDPOINT",
        "MSI_ENDPOINT",
        "RoleInstanceId",
        "Fabric_NodeIPOrFQDN",
        "DOTNET_RUNNING_IN_CONTAINER",
        "website_instance_id",
    ],
)
def test_one_variable_of_a_platform_is_enough(name: str) -> None:
    """Beside a stage that says Development; the message names it. Empty, it says nothing."""
    assert f"({name} is set, as on a platform)" in refusal({**RIGHT, **DEVELOPMENT, name: "x"})
    assert is_local_development({**DEVELOPMENT, name: ""})


@pytest.mark.parametrize("hostname", ["sluice.azurewebsites.net", "localhost.evil.example", "10.0.0.1:7071", "x"])
def test_a_public_host_name_is_a_platforms(hostname: str) -> None:
    """Core Tools set it too, to an address of this machine."""
    assert not is_local_development({**LOCAL["func start"], "WEBSITE_HOSTNAME": hostname})


@pytest.mark.parametrize("place", LOCAL)
def test_local_development_is_open(place: str, tmp_path: Path) -> None:
    """Without a mode, a key or an address: all have a default there."""
    least = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "SOURCE_URL": "sqlite:///x.db"}
    found = settings_from({**least, **LOCAL[place], "SLUICE_HOME": str(tmp_path)})
    assert (found.auth_mode, found.public_url) == ("dev", "http://127.0.0.1:7071")
    assert found.link_signing_key == (tmp_path / "signing-key").read_text()
    more = {"AUTH_MODE": "dev", "SERVICE_TOKENS": "true", "WEBHOOK_LOCAL_ORIGINS": "http://127.0.0.1:9000"}
    assert settings_from({**least, **LOCAL[place], "SLUICE_HOME": str(tmp_path), **more}).service_tokens


def test_the_sample_is_enough_for_core_tools(tmp_path: Path) -> None:
    """As it is copied: it reads the database that the demo makes, and has no key and no secret."""
    root = Path(__file__).resolve().parents[2]
    sample = json.loads((root / "local.settings.sample.json").read_text())["Values"]
    found = settings_from({**sample, **LOCAL["func start"], "SLUICE_HOME": str(tmp_path)})
    assert (found.auth_mode, found.source_url) == ("dev", "sqlite:///.sluice/demo.db")
    assert "AUTH_MODE=dev signs" in refusal({**sample, **PLATFORMS["Flex Consumption"]})


@pytest.mark.parametrize("place", LOCAL)
def test_without_the_stage_nothing_is_local(place: str) -> None:
    """It is what says so."""
    rest = {name: value for name, value in LOCAL[place].items() if name != "AZURE_FUNCTIONS_ENVIRONMENT"}
    assert "(AZURE_FUNCTIONS_ENVIRONMENT is not Development)" in refusal({**RIGHT, **rest})
    for said in (" Development", "Development\n", "Dev", "Development,Production", "develop", "True"):
        assert "(AZURE_FUNCTIONS_ENVIRONMENT is not" in refusal({**RIGHT, **rest, "AZURE_FUNCTIONS_ENVIRONMENT": said})
    other = {**RIGHT, **rest, "azure_functions_environment": "Development"}
    assert "(AZURE_FUNCTIONS_ENVIRONMENT is not Development)" in refusal(other)
    both = {**DEVELOPMENT, "Azure_Functions_Environment": "Production"}
    assert "(AZURE_FUNCTIONS_ENVIRONMENT is not Development)" in refusal({**RIGHT, **rest, **both})


@pytest.mark.parametrize("sign_in", [JWT, EASY], ids=["jwt", "easyauth"])
@pytest.mark.parametrize("place", PLATFORMS)
def test_a_platform_takes_what_is_safe(place: str, sign_in: Mapping[str, str]) -> None:
    """A way to sign in, a key, an https address; and service tokens, for its host asks for function keys."""
    found = settings_from({**RIGHT, **PLATFORMS[place], **sign_in, "SERVICE_TOKENS": "true"})
    assert (found.auth_mode, found.service_tokens) == (sign_in["AUTH_MODE"], True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"PUBLIC_URL": ""}, "PUBLIC_URL must be an https address outside local development, got 'http://127.0.0.1"),
        ({"PUBLIC_URL": "http://exports.example.com"}, "PUBLIC_URL must be an https address outside local development"),
        ({"JWT_ISSUER": "http://127.0.0.1:9"}, "JWT_ISSUER must be an https address outside local development"),
        ({"JWT_JWKS_URL": "http://localhost:9/keys"}, "JWT_JWKS_URL must be an https address outside local"),
        ({"WEBHOOK_LOCAL_ORIGINS": "http://127.0.0.1:9000"}, "WEBHOOK_LOCAL_ORIGINS is for development on one"),
        ({"LINK_SIGNING_KEY": ""}, "LINK_SIGNING_KEY has 0 characters and needs at least 32"),
    ],
    ids=str,
)
@pytest.mark.parametrize("place", PLATFORMS)
def test_a_platform_takes_nothing_that_is_for_development(
    place: str, changes: Mapping[str, str], message: str, tmp_path: Path
) -> None:
    """Although somebody has said that it is one; and no key is made."""
    told = refusal({**RIGHT, **PLATFORMS[place], **DEVELOPMENT, **JWT, "SLUICE_HOME": str(tmp_path), **changes})
    assert message in told
    assert not list(tmp_path.iterdir())


def test_all_that_is_wrong_is_told_at_once() -> None:
    """The mode, the address and the key, not one deployment after the other."""
    told = refusal({**PLATFORMS["Flex Consumption"], "AzureWebJobsStorage": "UseDevelopmentStorage=true"})
    assert "AUTH_MODE is not set" in told
    assert "SOURCE_URL is not set" in told


def test_in_local_development_a_services_token_needs_a_host_that_asks_for_keys() -> None:
    """Core Tools and the embedded host ask for none; with demo users that matters to nobody."""
    environment = {**RIGHT, **DEVELOPMENT, **JWT, "SERVICE_TOKENS": "true"}
    assert "SERVICE_TOKENS needs a host that asks for function keys" in refusal(environment)
    keyless = {**environment, "AZURE_FUNCTIONS_ENVIRONMENT": "Production", "LOCAL_HOST_ASKS_FOR_NO_KEYS": "true"}
    assert "SERVICE_TOKENS needs a host that asks for function keys" in refusal(keyless)


HERE = (
    "localhost",
    "LocalHost:7071",
    "localhost.",
    "sluice.localhost",
    "a.b.localhost:1",
    "127.0.0.1",
    "127.0.0.1:7071",
    "127.255.0.9:80",
    "[::1]",
    "[::1]:7071",
    "[0:0:0:0:0:0:0:1]:7071",
)
ELSEWHERE = (
    "",
    "evil.example",
    "evil.example:7071",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "localhostx",
    "notlocalhost",
    "evil-localhost",
    ".localhost",
    "a..localhost",
    "localhost..",
    "localhost@evil.example",
    "evil.example@localhost",
    "evil.example#localhost",
    "evil.example/localhost",
    "localhost, evil.example",
    "localhost evil.example",
    "localhost:7071:80",
    "localhost:",
    "localhost:port",
    "localhost\x00",
    "localhost\n",
    " localhost",
    "l\u043ecalhost",
    "\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54",
    "0.0.0.0:7071",
    "127.1",
    "127.0.0.01",
    "2130706433",
    "0x7f000001",
    "128.0.0.1",
    "10.0.0.1",
    "169.254.169.254",
    "::1",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::1]evil.example",
    "[fe80::1]",
    "host.docker.internal",
    "sluice.azurewebsites.net",
)


@pytest.mark.parametrize("host", HERE)
def test_this_machines_own_names(host: str) -> None:
    """As browsers see them (W3C Secure Contexts, RFC 6761)."""
    assert is_loopback(host)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_names_of_others(host: str) -> None:
    """Whatever they look like: another name may lead here for a page elsewhere (DNS rebinding)."""
    assert not is_loopback(host)


THROUGH_A_PROXY: Sequence[Mapping[str, str]] = (
    {"x-forwarded-for": "203.0.113.7"},
    {"x-forwarded-for": "203.0.113.7, 127.0.0.1"},
    {"x-forwarded-for": "127.0.0.1, 203.0.113.7:4711, 127.0.0.1"},
    {"x-forwarded-for": "2001:db8::1, 127.0.0.1"},
    {"x-forwarded-for": "[2001:db8::1]:80"},
    {"x-forwarded-for": "unknown"},
    {"x-forwarded-for": "127.0.0.1", "x-real-ip": "203.0.113.7"},
    {"x-real-ip": "203.0.113.7"},
    {"x-client-ip": "203.0.113.7"},
    {"cf-connecting-ip": "203.0.113.7"},
    {"true-client-ip": "203.0.113.7"},
    {"x-azure-clientip": "203.0.113.7"},
    {"x-envoy-external-address": "203.0.113.7"},
    {"forwarded": "for=203.0.113.7"},
    {"forwarded": "for=127.0.0.1, For=203.0.113.7;proto=https"},
    {"forwarded": 'for="[2001:db8::1]:4711"'},
    {"forwarded": "for=_hidden"},
    {"forwarded": "for="},
    {"via": "1.1 proxy"},
    {"via": ""},
    {"x-original-host": "sluice.example.com"},
)
"""What nginx, Envoy, Front Door and others add when they send a request on to an address of this machine."""

FROM_HERE: Sequence[Mapping[str, str]] = (
    {"x-forwarded-for": "127.0.0.1, 127.0.0.1"},
    {"x-forwarded-for": "::1"},
    {"x-forwarded-for": "[::1]:4711, 127.0.0.1:80"},
    {"x-real-ip": "127.0.0.1"},
    {"forwarded": 'for="[::1]:4711";host=localhost, for=127.0.0.1'},
    {"forwarded": "proto=http"},
)


@pytest.mark.parametrize(
    ("headers", "local"),
    [
        ({"host": "localhost:7071"}, True),
        ({"host": "localhost:7071", "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http"}, True),
        ({"host": "localhost:7071", "x-forwarded-host": "localhost"}, True),
        ({}, False),
        ({"x-forwarded-host": "localhost"}, False),
        ({"host": "evil.example", "x-forwarded-host": "localhost"}, False),
        ({"host": "evil.example", "x-original-host": "localhost", "x-host": "localhost"}, False),
        ({"host": "evil.example", "forwarded": "for=127.0.0.1;host=localhost", "x-real-ip": "127.0.0.1"}, False),
        ({"host": "evil.example", "origin": "http://localhost:7071", "referer": "http://localhost:7071/"}, False),
        ({"host": "localhost:7071", "x-forwarded-host": "sluice.example.com"}, False),
        ({"host": "localhost:7071", "x-forwarded-host": "localhost, sluice.example.com"}, False),
        ({"host": "localhost:7071", "forwarded": 'for=192.0.2.1;Host="sluice.example.com"'}, False),
        *(({"host": "127.0.0.1:7071", **through}, False) for through in THROUGH_A_PROXY),
        *(({"host": "127.0.0.1:7071", **here}, True) for here in FROM_HERE),
    ],
    ids=str,
)
def test_a_request_is_local_by_its_host_and_by_whom_it_is_for(headers: Mapping[str, str], local: bool) -> None:
    """What else a client or a proxy says can close, and never open."""
    dev = settings_from({**RIGHT, **DEVELOPMENT})
    jwt = settings_from({**RIGHT, **DEVELOPMENT, **JWT})
    check_request(headers, jwt)
    if local:
        check_request(headers, dev)
    else:
        with pytest.raises(SettingsError, match="AUTH_MODE=dev answers requests to this machine's own name only"):
            check_request(headers, dev)
