"""Who calls: tokens of an OpenID Connect issuer, the header of App Service authentication, tokens for services."""

import base64
import json
import re
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization

from tests.environments import SIGN_IN_BY_APP_SERVICE
from tests.service.conftest import Service, Start
from tests.service.issuer import AUDIENCE, Issuer, jwk, rsa_key
from tests.service.problems import assert_problem


def eventually(ask: Callable[[], requests.Response], status: int) -> requests.Response:
    """Ask until the answer has this status: keys are looked at again every five seconds at most."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        answer = ask()
        if answer.status_code == status:
            return answer
        time.sleep(0.1)
    raise TimeoutError(f"{answer.status_code} {answer.text}")


def test_a_token_of_the_issuer_is_good(jwt_service: Service, issuer: Issuer) -> None:
    """Its claims say who calls: what they may use, and who is named in the export."""
    token = issuer.token(sub="u-7", name="Una")
    answer = jwt_service.export(token, exportType="users")
    assert answer.status_code == 202, answer.text
    export = jwt_service.status(token, answer.json()["id"])
    assert (export["status"], export["createdBy"]) == ("Completed", "u-7")
    assert export["file"]["rows"] == 400
    assert "durable" not in answer.json()
    assert (issuer.asked[0], set(issuer.asked)) == (
        "/.well-known/openid-configuration",
        {"/.well-known/openid-configuration", "/keys"},
    )


@pytest.mark.parametrize(
    ("changes", "types"),
    [
        ({"roles": ["Admin"]}, ["sessions", "users"]),
        ({"roles": "Manager"}, ["sessions"]),
        ({"roles": ["Manager", "Whatever", 7, None]}, ["sessions"]),
        ({"roles": ["Viewer"]}, []),
        ({"roles": ["admin", "ADMIN", "Admin "]}, []),
        ({"roles": None}, []),
        ({"roles": {"Admin": True}}, []),
    ],
    ids=str,
)
def test_roles_come_from_the_token(jwt_service: Service, issuer: Issuer, changes: Any, types: list[str]) -> None:
    """Exactly those that we know, and none when there is none."""
    items = jwt_service.with_token(issuer.token(**changes), "/export-types").json()["items"]
    assert types == sorted({t["name"] for t in items} & {"sessions", "users"})


def test_companies_and_scopes_come_from_the_token(jwt_service: Service, issuer: Issuer) -> None:
    """And from nowhere else."""
    token = issuer.token(company_ids=["123", 7], operational_scope_ids="north")
    answer = jwt_service.export(token, exportType="employees", companyIds=["7", "9"], operationalScopeIds=["south"])
    assert_problem(
        answer,
        "validation-failed",
        companyIds__1="unknown company '9'; known: 123, 7",
        operationalScopeIds__0="known: north",
    )


def test_a_super_admin_gets_the_engines_addresses(jwt_service: Service, issuer: Issuer) -> None:
    """Role SuperAdmin, from the token too."""
    answer = jwt_service.export(issuer.token(roles=["SuperAdmin"], sub="root"), exportType="users")
    assert answer.json()["durable"]["id"] == answer.json()["id"]


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "api://other"},
        {"aud": ["api://other", "api://third"]},
        {"aud": AUDIENCE.upper()},
        {"aud": None},
        {"iss": "http://127.0.0.1:1"},
        {"iss": None},
        {"sub": None},
        {"exp": None},
        {"iat": None},
        {"iat": 2**32},
        {"nbf": 2**32},
        {"exp": "tomorrow"},
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_is_refused(jwt_service: Service, issuer: Issuer, changes: Any) -> None:
    """401, although the signature is right."""
    assert_problem(jwt_service.with_token(issuer.token(**changes)), "not-authenticated", detail="not valid here")


def test_an_issuer_with_a_slash_more_is_another(jwt_service: Service, issuer: Issuer) -> None:
    """The name is compared exactly."""
    assert_problem(jwt_service.with_token(issuer.token(iss=f"{issuer.url}/")), "not-authenticated")


@pytest.mark.parametrize(
    ("changes", "claim"),
    [
        ({"tid": None}, "tid"),
        ({"tid": ""}, "tid"),
        ({"tid": "acme/../globex"}, "tid"),
        ({"tid": "a" * 101}, "tid"),
        ({"tid": "acme\n"}, "tid"),
        ({"tid": {"id": "acme"}}, "tid"),
        ({"sub": ""}, "sub"),
        ({"sub": "u\r\nX: y"}, "sub"),
        ({"sub": "u" * 201}, "sub"),
    ],
    ids=str,
)
def test_a_token_that_names_nobody_is_refused(jwt_service: Service, issuer: Issuer, changes: Any, claim: str) -> None:
    """401 that says which claim; a tenant's name is part of blob names and must be a plain one."""
    assert_problem(jwt_service.with_token(issuer.token(**changes)), "not-authenticated", detail=f"the claim '{claim}'")


def test_clocks_may_differ_a_little(jwt_service: Service, issuer: Issuer) -> None:
    """By JWT_LEEWAY_SECONDS, which is 20 here, both ways; not by more."""
    now = int(time.time())
    assert jwt_service.with_token(issuer.token(exp=now - 10)).status_code == 200
    assert jwt_service.with_token(issuer.token(iat=now + 10, nbf=now + 10)).status_code == 200
    late = jwt_service.with_token(issuer.token(exp=now - 30))
    assert_problem(late, "not-authenticated", detail="the token has expired; get a new one")
    assert_problem(jwt_service.with_token(issuer.token(nbf=now + 90)), "not-authenticated", detail="not valid here")


def test_a_token_that_was_signed_otherwise_is_refused(jwt_service: Service, issuer: Issuer) -> None:
    """No signature, another key under the same name, the public key as a shared secret, another algorithm, cut off."""
    public = issuer.key.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    good = issuer.token()
    head, claims, signature = good.split(".")

    def rewritten(**header: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=") + f".{claims}.{signature}"

    confused = jwt.api_jws.PyJWS()
    del confused._algorithms["HS256"]  # PyJWT's own refuses to sign with a public key

    class Hmac(jwt.algorithms.HMACAlgorithm):
        def prepare_key(self, key: Any) -> bytes:
            return bytes(key)

    confused._algorithms["HS256"] = Hmac(Hmac.SHA256)
    payload = json.dumps(jwt.decode(good, options={"verify_signature": False})).encode()
    tokens = {
        "none": issuer.token(key="", algorithm="none"),
        "another key": issuer.token(key=rsa_key()),
        "public key as secret": confused.encode(payload, pem, algorithm="HS256", headers={"kid": "first"}),
        "shared secret": issuer.token(key="k" * 64, algorithm="HS256"),
        "RS512": issuer.token(algorithm="RS512"),
        "PS256": issuer.token(algorithm="PS256"),
        "no key named": issuer.token(headers={"kid": None}),
        "unknown key": issuer.token(headers={"kid": "nobody's"}),
        "key id of another type": rewritten(alg="RS256", kid=["first"]),
        "unknown critical header": rewritten(alg="RS256", kid="first", crit=["exp"], exp=1),
        "cut short": good[:-5],
        "no signature": f"{head}.{claims}.",
        "two parts": f"{head}.{claims}",
        "not a token": "x.y.z",
    }
    statuses = {name: jwt_service.with_token(token).status_code for name, token in tokens.items()}
    assert statuses == dict.fromkeys(tokens, 401)
    assert jwt_service.with_token(good).status_code == 200


def test_where_a_token_says_its_key_is_nobody_looks(jwt_service: Service, issuer: Issuer) -> None:
    """Not at jku, x5u or jwk in its header: the issuer's own addresses only."""
    mine = rsa_key()
    headers = {"jku": f"{issuer.url}/mine", "x5u": f"{issuer.url}/mine", "jwk": jwk(mine, "mine"), "kid": "mine"}
    assert_problem(jwt_service.with_token(issuer.token(key=mine, headers=headers)), "not-authenticated")
    assert "/mine" not in issuer.asked


def test_a_demo_users_token_is_nothing_here(jwt_service: Service) -> None:
    """Signed with our own key, as in dev mode; and /dev is not there."""
    now = int(time.time())
    claims = {"sub": "sam", "iss": "sluice-dev", "aud": "sluice-dev", "iat": now, "exp": now + 600}
    key = (jwt_service.home / "signing-key").read_text()
    assert_problem(jwt_service.with_token(jwt.encode(claims, key, algorithm="HS256")), "not-authenticated")
    answer = requests.post(f"{jwt_service.api}/dev/token", json={"user": "sam"}, timeout=30)
    assert_problem(answer, "not-found", detail="there is nothing here")


def test_the_header_of_app_service_is_nothing_here(jwt_service: Service) -> None:
    """Nobody takes it out of requests from outside."""
    answer = jwt_service.get(X_MS_CLIENT_PRINCIPAL=principal(roles=["SuperAdmin"]))
    assert_problem(answer, "not-authenticated", detail="Authorization: Bearer <token>")


def test_keys_that_rotate_are_followed(jwt_service: Service, issuer: Issuer) -> None:
    """A token of a new key is good soon after; one of the old key is not any more; and nothing was restarted."""
    old = issuer.token()
    assert jwt_service.with_token(old).status_code == 200
    issuer.rotate("second")
    eventually(lambda: jwt_service.with_token(issuer.token()), 200)
    assert_problem(jwt_service.with_token(old), "not-authenticated", detail="not valid here")


def test_tokens_of_unknown_keys_do_not_flood_the_issuer(jwt_service: Service, issuer: Issuer) -> None:
    """Fifty of them cause a handful of requests for the keys at most."""
    assert jwt_service.with_token(issuer.token()).status_code == 200
    before, began = len(issuer.asked), time.monotonic()
    for number in range(50):
        assert jwt_service.with_token(issuer.token(headers={"kid": f"x{number}"})).status_code == 401
    assert len(issuer.asked) - before <= 1 + (time.monotonic() - began) / 5


def test_a_key_for_something_else_verifies_nothing(
    start: Start, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Encryption, or another algorithm; also when it is published beside one that is good."""
    others: list[dict[str, Any]] = [
        {"use": "enc"},
        {"use": None, "key_ops": ["encrypt"]},
        {"alg": "RS512"},
        {"alg": "RSA-OAEP"},
    ]
    key = rsa_key()
    published = [jwk(key, f"other-{n}", **changes) for n, changes in enumerate(others)]
    monkeypatch.setattr(issuer, "published", [jwk(key, "right"), *published, *issuer.published])
    service = start(AUTH_MODE="jwt", JWT_ISSUER=issuer.url, JWT_AUDIENCE=AUDIENCE, JWT_JWKS_URL=f"{issuer.url}/keys")
    assert service.with_token(issuer.token(key=key, headers={"kid": "right"})).status_code == 200
    for number in range(len(others)):
        token = issuer.token(key=key, headers={"kid": f"other-{number}"})
        assert_problem(service.with_token(token), "not-authenticated", detail="not valid here")


def test_an_issuer_that_is_away_is_not_the_callers_fault(
    start: Start, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 that says so, for a good token; keys that are known still serve; and when it is back, all is well."""
    service = start(AUTH_MODE="jwt", JWT_ISSUER=issuer.url, JWT_AUDIENCE=AUDIENCE)
    monkeypatch.setattr(issuer, "away", True)
    answer = service.with_token(issuer.token())
    assert_problem(answer, "issuer-unavailable", detail="the identity provider does not answer; try again soon")
    assert issuer.url not in answer.text
    assert_problem(service.get(), "not-authenticated")
    monkeypatch.setattr(issuer, "away", False)
    assert service.with_token(issuer.token()).status_code == 200
    monkeypatch.setattr(issuer, "away", True)
    assert service.with_token(issuer.token()).status_code == 200


@pytest.mark.parametrize("document", [{"issuer": "https://evil.example"}, {"jwks_uri": "ftp://x/keys"}], ids=str)
def test_a_discovery_document_of_somebody_else_is_not_followed(
    start: Start, issuer: Issuer, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must name the issuer itself, and keys at an address of the same kind."""
    service = start(AUTH_MODE="jwt", JWT_ISSUER=issuer.url, JWT_AUDIENCE=AUDIENCE)
    monkeypatch.setattr(issuer, "discovery", document)
    assert_problem(service.with_token(issuer.token()), "issuer-unavailable")


def test_tokens_of_several_directories(start: Start, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the directories in the settings, each from its own issuer and signed by a key that is for it."""
    template = f"{issuer.url}/{{tenantid}}/v2.0"
    service = start(AUTH_MODE="jwt", JWT_ISSUER=template, JWT_DIRECTORIES="acme, globex", JWT_AUDIENCE=AUDIENCE)

    def status(directory: Any, of: str, key_id: str | None = None) -> int:
        headers = {"kid": key_id} if key_id else {}
        token = issuer.token(tid=directory, iss=template.replace("{tenantid}", of), headers=headers)
        return service.with_token(token).status_code

    shared = jwk(issuer.key, issuer.key_id, issuer=template)
    globex = jwk(issuer.key, "globex-only", issuer=template.replace("{tenantid}", "globex"))
    foreign = jwk(issuer.key, "foreign", issuer="https://evil.example/{tenantid}/v2.0")
    monkeypatch.setattr(issuer, "published", [shared, globex, foreign])
    assert [status("acme", "acme"), status("globex", "globex")] == [200, 200]
    assert [status("acme", "globex"), status("globex", "acme"), status("acme", "{tenantid}")] == [401] * 3
    assert [status(directory, str(directory)) for directory in ("initech", "ACME", "", None, ["acme"], 7)] == [401] * 6
    assert [status("acme", "acme", key_id) for key_id in ("globex-only", "foreign")] == [401, 401]
    assert status("globex", "globex", "globex-only") == 200


def test_claims_may_have_other_names(start: Start, issuer: Issuer) -> None:
    """As the settings say: Entra ID's object id, an organisation of Auth0, groups."""
    service = start(
        AUTH_MODE="jwt",
        JWT_ISSUER=issuer.url,
        JWT_AUDIENCE=AUDIENCE,
        CLAIM_USER="oid",
        CLAIM_TENANT="https://example.com/organisation",
        CLAIM_ROLES="groups",
        CLAIM_COMPANY_IDS="firms",
        CLAIM_OPERATIONAL_SCOPE_IDS="areas",
    )
    ours = {"oid": "o-1", "https://example.com/organisation": "globex", "groups": ["Admin"], "firms": ["201"]}
    token = issuer.token(**ours, areas=["emea"], tid="acme", roles=["Viewer"])
    answer = service.export(token, exportType="users", companyIds=["201"], operationalScopeIds=["emea"])
    assert answer.status_code == 202, answer.text
    export = service.status(token, answer.json()["id"])
    assert (export["createdBy"], export["file"]["rows"]) == ("o-1", 20)


def principal(**changes: Any) -> str:
    """The header that App Service makes for an Admin of acme who signed in with Entra ID, but for the changes."""
    soap, microsoft = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims", "http://schemas.microsoft.com"
    names = {
        "sub": f"{soap}/nameidentifier",
        "email": f"{soap}/emailaddress",
        "tid": f"{microsoft}/identity/claims/tenantid",
        "roles": "roles",
    }
    values = {"sub": "p-1", "email": "pia@acme.example", "tid": "acme", "roles": ["Admin"], "name": "Pia", **changes}
    claims = [
        {"typ": names.get(name, name), "val": value}
        for name, found in values.items()
        for value in (found if isinstance(found, list) else [found])
    ]
    whole = {"auth_typ": "aad", "claims": claims, "name_typ": f"{soap}/name", "role_typ": "roles"}
    return base64.b64encode(json.dumps(whole).encode()).decode()


@pytest.fixture(scope="module")
def app_service(start: Start) -> Service:
    """A service behind App Service authentication, which also gives tokens to services; the host asks for keys."""
    return start(auth=True, **SIGN_IN_BY_APP_SERVICE)


def test_the_header_of_app_service_says_who_calls(app_service: Service) -> None:
    """Name, tenant, roles, companies; whatever the names of its claims."""
    answer = app_service.get("/export-types", X_MS_CLIENT_PRINCIPAL=principal(locale="fr"))
    sessions = next(t for t in answer.json()["items"] if t["name"] == "sessions")
    assert "Courriel" in {c["title"] for c in sessions["columns"]}
    headers = {"X-MS-CLIENT-PRINCIPAL": principal(company_ids=["123", "124"])}
    body = {"exportType": "sessions", "companyIds": ["124", "125"]}
    wrong = requests.post(f"{app_service.api}/exports", json=body, headers=headers, timeout=30)
    assert_problem(wrong, "validation-failed", companyIds__1="known: 123, 124")


@pytest.mark.parametrize(("role", "status"), [("Admin", 200), ("Manager", 200), ("Viewer", 403), ("Owner", 403)])
def test_roles_come_from_the_header(app_service: Service, role: str, status: int) -> None:
    """By the name that the header itself gives to the claim of roles."""
    assert app_service.get(X_MS_CLIENT_PRINCIPAL=principal(roles=[role])).status_code == status
    text = base64.b64decode(principal(roles=[role])).decode().replace('"roles"', '"http://example.com/role"')
    assert app_service.get(X_MS_CLIENT_PRINCIPAL=base64.b64encode(text.encode()).decode()).status_code == status


@pytest.mark.parametrize(
    "header",
    [
        "",
        "ada",
        "e30=",
        "bnVsbA==",
        base64.b64encode(b'{"claims": [{"typ": "tid"}]}').decode(),
        base64.b64encode(b'{"claims": [{"typ": "tid", "val": 7}]}').decode(),
        base64.b64encode(b'{"claims": "x"}').decode(),
        base64.b64encode(b"[" * 9_000).decode()[:8_000],
        principal() + "," + principal(),
        principal()[:-8],
        principal(tid="a/b"),
        principal(sub=[]),
    ],
    ids=range(12),
)
def test_a_header_that_app_service_does_not_make_is_refused(app_service: Service, header: str) -> None:
    """401, never a default."""
    assert_problem(app_service.get(X_MS_CLIENT_PRINCIPAL=header), "not-authenticated")


def test_without_the_header_nobody_is_signed_in(app_service: Service) -> None:
    """Its smaller sisters prove nothing, and a bearer token is the platform's to check."""
    answer = app_service.get(X_MS_CLIENT_PRINCIPAL_ID="p-1", X_MS_CLIENT_PRINCIPAL_NAME="pia@acme.example")
    assert_problem(answer, "not-authenticated", detail="App Service authentication has not named a caller")
    assert_problem(app_service.with_token("x.y.z"), "not-authenticated", detail="not valid here")


def test_app_service_authentication_must_be_on(start: Start) -> None:
    """Else the header is anybody's: 503 that says so."""
    service = start(AUTH_MODE="easyauth", WEBSITE_AUTH_ENABLED="False")
    answer = service.get(X_MS_CLIENT_PRINCIPAL=principal())
    assert_problem(answer, "settings-error", detail="believes a header that anybody can send")


def service_token(app_service: Service, key: str | None = None, **body: Any) -> requests.Response:
    """Ask for a service's token with this function key, or the right one."""
    keys = json.loads((app_service.home / "host" / "host-keys.json").read_text())
    headers = {"x-functions-key": keys["function"] if key is None else key}
    whole = {"service": "billing", "tenant": "globex", **body}
    return requests.post(f"{app_service.api}/service/token", json=whole, headers=headers, timeout=30)


def test_a_function_key_gives_a_service_its_token(app_service: Service) -> None:
    """It exports in the tenant it named, without the durable engine's key, and sees the tenant's exports."""
    answer = service_token(app_service, companyIds=["201"])
    assert (answer.status_code, set(answer.json())) == (200, {"token", "expiresAt"})
    token = answer.json()["token"]
    started = app_service.export(token, exportType="users")
    assert "durable" not in started.json()
    assert "code=" not in started.text
    export = app_service.status(token, started.json()["id"])
    workflow = app_service.with_token(token, f"/exports/{export['id']}/workflow")
    assert (workflow.status_code, workflow.json()["instance"]) == (200, export["id"])
    assert not re.search(r"code=|sig=|http", workflow.text)
    assert (export["createdBy"], export["file"]["rows"]) == ("service:billing", 20)
    acme = app_service.get(f"/exports/{export['id']}", X_MS_CLIENT_PRINCIPAL=principal())
    globex = app_service.get(f"/exports/{export['id']}", X_MS_CLIENT_PRINCIPAL=principal(tid="globex"))
    assert (acme.status_code, globex.status_code) == (404, 200)
    assert_problem(
        app_service.export(token, exportType="sessions", companyIds=["202"]),
        "validation-failed",
        companyIds__0="known: 201",
    )


@pytest.mark.parametrize("key", ["", "guessed"])
def test_without_a_function_key_there_is_no_token(app_service: Service, key: str) -> None:
    """The host refuses before the function is called."""
    assert service_token(app_service, key).status_code == 401


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"tenant": "a/b"}, {"tenant": "got 'a/b'"}),
        ({"tenant": None}, {"tenant": "valid string, got None"}),
        ({"service": "Bill ing"}, {"service": "got 'Bill ing'"}),
        ({"companyIds": "201"}, {"companyIds": "got '201'"}),
        ({"roles": ["SuperAdmin"]}, {"roles": "unknown field 'roles'; known: service, tenant, companyIds"}),
    ],
    ids=str,
)
def test_a_wrong_request_for_a_services_token_is_refused(
    app_service: Service, body: dict[str, Any], fields: dict[str, str]
) -> None:
    """Field by field."""
    assert_problem(service_token(app_service, **body), "validation-failed", **fields)


def test_a_services_token_cannot_be_made_elsewhere(app_service: Service, jwt_service: Service) -> None:
    """Nor by another key, nor used after its time, nor where services get none."""
    token = service_token(app_service).json()["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    key = (app_service.home / "signing-key").read_text()
    assert claims["exp"] - claims["iat"] in range(899, 901)
    forged = {
        "another key": jwt.encode(claims, "k" * 32, algorithm="HS256"),
        "expired": jwt.encode({**claims, "exp": claims["iat"] - 1}, key, algorithm="HS256"),
        "for a link": jwt.encode({**claims, "aud": "sluice-landing"}, key, algorithm="HS256"),
        "none": jwt.encode(claims, "", algorithm="none"),
    }
    statuses = {name: app_service.with_token(t).status_code for name, t in forged.items()}
    assert statuses == dict.fromkeys(forged, 401)
    assert app_service.with_token(jwt.encode(claims, key, algorithm="HS256")).status_code == 200
    there = jwt.encode(claims, (jwt_service.home / "signing-key").read_text(), algorithm="HS256")
    assert_problem(jwt_service.with_token(there), "not-authenticated")
    answer = requests.post(f"{jwt_service.api}/service/token", json={"service": "x", "tenant": "acme"}, timeout=30)
    assert_problem(answer, "not-found", detail="there is nothing here")
