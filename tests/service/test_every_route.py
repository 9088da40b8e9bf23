"""Every route of the app, as the code lists them, and everybody who must not get in."""

from collections.abc import Mapping

import pytest
import requests

from shared.api.operations import Access
from tests.routes import routes
from tests.service.conftest import Service
from tests.service.issuer import Issuer
from tests.service.problems import assert_problem
from triggers.http.operation import operations

MISSING = "0123456789abcdefghijklmnopqrstuvwx"
"""Looks like an id, and is none."""

PUBLIC, CALLER, EXPORTER, OWNER = Access.PUBLIC, Access.CALLER, Access.EXPORTER, Access.OWNER
ADMIN = Access.ADMIN
OPERATOR = Access.OPERATOR

WHO_MAY: Mapping[tuple[str, str], Access] = {
    ("POST", "exports"): EXPORTER,
    ("POST", "exports/estimate"): EXPORTER,
    ("GET", "exports"): EXPORTER,
    ("HEAD", "exports"): EXPORTER,
    ("GET", "exports/{id}"): OWNER,
    ("HEAD", "exports/{id}"): OWNER,
    ("DELETE", "exports/{id}"): OWNER,
    ("POST", "exports/{id}/cancel"): OWNER,
    ("POST", "exports/{id}/retry"): OWNER,
    ("POST", "exports/{id}/revoke-links"): OWNER,
    ("GET", "exports/{id}/logs"): OWNER,
    ("HEAD", "exports/{id}/logs"): OWNER,
    **{(method, "exports/{id}/workflow"): OWNER for method in ("GET", "HEAD")},
    ("GET", "operations/{id}"): OWNER,
    ("HEAD", "operations/{id}"): OWNER,
    ("GET", "exports/{id}/download"): OWNER,
    ("HEAD", "exports/{id}/download"): OWNER,
    ("POST", "webhooks"): ADMIN,
    ("GET", "webhooks"): ADMIN,
    ("HEAD", "webhooks"): ADMIN,
    ("GET", "webhooks/{id}"): ADMIN,
    ("HEAD", "webhooks/{id}"): ADMIN,
    ("PATCH", "webhooks/{id}"): ADMIN,
    ("DELETE", "webhooks/{id}"): ADMIN,
    ("POST", "webhooks/{id}/rotate"): ADMIN,
    ("POST", "webhooks/{id}/ping"): ADMIN,
    ("GET", "webhooks/{id}/deliveries"): ADMIN,
    ("HEAD", "webhooks/{id}/deliveries"): ADMIN,
    ("POST", "webhooks/{id}/deliveries/{delivery}/redeliver"): ADMIN,
    ("GET", "export-types"): CALLER,
    ("HEAD", "export-types"): CALLER,
    ("POST", "schedules"): EXPORTER,
    ("GET", "schedules"): EXPORTER,
    ("HEAD", "schedules"): EXPORTER,
    ("GET", "schedules/{id}"): OWNER,
    ("HEAD", "schedules/{id}"): OWNER,
    ("PATCH", "schedules/{id}"): OWNER,
    ("DELETE", "schedules/{id}"): OWNER,
    ("GET", "schedules/{id}/runs"): OWNER,
    ("HEAD", "schedules/{id}/runs"): OWNER,
    ("GET", "ops/dead-letters"): OPERATOR,
    ("HEAD", "ops/dead-letters"): OPERATOR,
    ("GET", "ops/dead-letters/{id}"): OPERATOR,
    ("HEAD", "ops/dead-letters/{id}"): OPERATOR,
    ("DELETE", "ops/dead-letters/{id}"): OPERATOR,
    ("POST", "ops/dead-letters/{id}/redrive"): OPERATOR,
    ("POST", "ops/redrive"): OPERATOR,
    ("GET", "ops/holds"): OPERATOR,
    ("HEAD", "ops/holds"): OPERATOR,
    ("PUT", "ops/exports/{id}/hold"): OPERATOR,
    ("DELETE", "ops/exports/{id}/hold"): OPERATOR,
    **{(method, "exports/{id}/links"): OWNER for method in ("GET", "HEAD")},
    ("DELETE", "exports/{id}/links/{link}"): OWNER,
    **{(method, "d"): PUBLIC for method in ("GET", "HEAD")},
    ("POST", "link"): PUBLIC,
    ("POST", "link/file"): PUBLIC,
    ("GET", "d/{token}"): PUBLIC,
    ("HEAD", "d/{token}"): PUBLIC,
    ("POST", "d/{token}"): PUBLIC,
    **{(method, "unsubscribe/{token}"): PUBLIC for method in ("GET", "HEAD", "POST")},
    **{(method, "notifications"): CALLER for method in ("GET", "HEAD")},
    ("POST", "notifications/{id}/read"): Access.RECIPIENT,
    **{(method, "preferences"): CALLER for method in ("GET", "HEAD", "PUT")},
    ("GET", "ops/audit"): ADMIN,
    ("HEAD", "ops/audit"): ADMIN,
    ("GET", "ops/overview"): OPERATOR,
    ("HEAD", "ops/overview"): OPERATOR,
    ("GET", "ops/tenants"): OPERATOR,
    ("HEAD", "ops/tenants"): OPERATOR,
    ("GET", "ops/running"): OPERATOR,
    ("HEAD", "ops/running"): OPERATOR,
    ("GET", "ops/pauses"): OPERATOR,
    ("HEAD", "ops/pauses"): OPERATOR,
    ("POST", "ops/tenants/{tenant}/pause"): OPERATOR,
    ("POST", "ops/tenants/{tenant}/resume"): OPERATOR,
    ("POST", "ops/export-types/{name}/pause"): OPERATOR,
    ("POST", "ops/export-types/{name}/resume"): OPERATOR,
    ("PUT", "ops/tenants/{tenant}/quotas"): OPERATOR,
    **{(method, "users/{user}/offboard"): ADMIN for method in ("POST", "DELETE")},
    **{(method, "ops/users/{tenant}/{user}/offboard"): OPERATOR for method in ("POST", "DELETE")},
    ("GET", "ops/metrics"): OPERATOR,
    ("HEAD", "ops/metrics"): OPERATOR,
    ("GET", "health/live"): PUBLIC,
    ("HEAD", "health/live"): PUBLIC,
    ("GET", "health"): PUBLIC,
    ("HEAD", "health"): PUBLIC,
    ("GET", "openapi.json"): PUBLIC,
    ("HEAD", "openapi.json"): PUBLIC,
    ("GET", "docs"): PUBLIC,
    ("HEAD", "docs"): PUBLIC,
    ("GET", "docs/{file}"): PUBLIC,
    ("HEAD", "docs/{file}"): PUBLIC,
    ("POST", "service/token"): Access.FUNCTION_KEY,
    ("POST", "dev/token"): PUBLIC,
    ("GET", "dev/users"): PUBLIC,
    ("HEAD", "dev/users"): PUBLIC,
    **{(method, "dev/mails"): PUBLIC for method in ("GET", "HEAD")},
    **{(method, "dev/mails/{kind}"): PUBLIC for method in ("GET", "HEAD")},
    ("GET", "dev/outbox"): PUBLIC,
    ("HEAD", "dev/outbox"): PUBLIC,
    ("DELETE", "dev/outbox"): PUBLIC,
}
"""Written down once more, so that nobody opens a route by mistake."""

ROUTES = routes()

Owned = Mapping[str, str]
"""The ids of what somebody has, by the first step of a route."""


def test_every_route_is_described_and_guarded() -> None:
    """The app's functions, the descriptions that OpenAPI is made from, and the table above name the same routes."""
    assert set(WHO_MAY) == set(ROUTES)
    assert {(call.method, call.route): call.access for call in operations()} == WHO_MAY
    assert {(call.method, call.route): call.function for call in operations()} == ROUTES


@pytest.fixture(scope="module")
def owned(jwt_service: Service, issuer: Issuer) -> Owned:
    """A completed export, of a type for Managers too, and a schedule of somebody in acme, and a webhook of acme."""
    token = issuer.token(sub="owner")
    export_id: str = jwt_service.export(token, exportType="sessions").json()["id"]
    assert jwt_service.status(token, export_id)["status"] == "Completed"
    body = {"name": "s", "cron": "0 6 1 1 *", "request": {"exportType": "users"}}
    headers = {"Authorization": f"Bearer {token}"}
    made = requests.post(f"{jwt_service.api}/schedules", json=body, headers=headers, timeout=30)
    hook = {"url": "https://198.41.0.4/hook", "enabled": False}
    webhook = requests.post(f"{jwt_service.api}/webhooks", json=hook, headers=headers, timeout=30)
    return {
        "exports": export_id,
        "operations": export_id,
        "schedules": made.json()["id"],
        "webhooks": webhook.json()["id"],
    }


def call(service: Service, method: str, route: str, owned: Owned, token: str | None) -> requests.Response:
    """The request, with an empty object for a body."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    values = {"token": "x", "file": "start.js", "kind": "failed", "tenant": "acme", "name": "sessions"}
    values["user"] = "leaver"
    path = route.format(**values, id=owned.get(route.split("/")[0], MISSING), delivery=MISSING, link="0" * 64)
    return requests.request(
        method,
        f"{service.api}/{path}",
        json={} if method in ("POST", "PUT", "PATCH") else None,
        headers=headers,
        timeout=30,
        allow_redirects=False,
    )


def test_the_owner_gets_in(jwt_service: Service, issuer: Issuer, owned: Owned) -> None:
    """Otherwise the tests above would prove nothing; and so does an Admin of the tenant who is somebody else."""
    for token in (issuer.token(sub="owner"), issuer.token(sub="owner", roles=["Manager"]), issuer.token(sub="boss")):
        statuses = {
            (method, route): call(jwt_service, method, route, owned, token).status_code
            for method, route in ROUTES
            if WHO_MAY[method, route] in (CALLER, EXPORTER, OWNER) and method != "DELETE"
        }
        # A Manager's schedule may not be one that exports what a Manager may not see.
        assert statuses.pop(("PATCH", "schedules/{id}")) in (200, 403)
        assert statuses == {
            ("POST", "exports"): 400,
            ("POST", "exports/estimate"): 400,
            ("POST", "exports/{id}/cancel"): 409,
            ("POST", "exports/{id}/retry"): 409,
            ("POST", "exports/{id}/revoke-links"): 204,
            **{(method, "exports"): 200 for method in ("GET", "HEAD")},
            **{(method, "exports/{id}"): 200 for method in ("GET", "HEAD")},
            **{(method, "exports/{id}/logs"): 200 for method in ("GET", "HEAD")},
            **{(method, "exports/{id}/workflow"): 200 for method in ("GET", "HEAD")},
            **{(method, "exports/{id}/links"): 200 for method in ("GET", "HEAD")},
            **{(method, "operations/{id}"): 200 for method in ("GET", "HEAD")},
            **{(method, "export-types"): 200 for method in ("GET", "HEAD")},
            **{(method, "notifications"): 200 for method in ("GET", "HEAD")},
            **{(method, "preferences"): 200 for method in ("GET", "HEAD", "PUT")},
            ("POST", "schedules"): 400,
            **{(method, "schedules"): 200 for method in ("GET", "HEAD")},
            **{(method, "schedules/{id}"): 200 for method in ("GET", "HEAD")},
            **{(method, "schedules/{id}/runs"): 200 for method in ("GET", "HEAD")},
            ("GET", "exports/{id}/download"): 302,
            ("HEAD", "exports/{id}/download"): 200,
        }


def test_an_admin_gets_in(jwt_service: Service, issuer: Issuer, owned: Owned) -> None:
    """Whoever of the tenant made what is theirs to administer."""
    statuses = {
        (method, route): call(jwt_service, method, route, owned, issuer.token(sub="boss")).status_code
        for method, route in ROUTES
        if WHO_MAY[method, route] is ADMIN and method != "DELETE"
    }
    assert statuses == {
        ("POST", "users/{user}/offboard"): 200,
        ("POST", "webhooks"): 400,
        ("PATCH", "webhooks/{id}"): 200,
        ("POST", "webhooks/{id}/rotate"): 200,
        ("POST", "webhooks/{id}/ping"): 409,
        ("POST", "webhooks/{id}/deliveries/{delivery}/redeliver"): 404,
        **{(method, "webhooks"): 200 for method in ("GET", "HEAD")},
        **{(method, "webhooks/{id}"): 200 for method in ("GET", "HEAD")},
        **{(method, "webhooks/{id}/deliveries"): 200 for method in ("GET", "HEAD")},
        **{(method, "ops/audit"): 200 for method in ("GET", "HEAD")},
    }


def test_an_operator_gets_in(jwt_service: Service, issuer: Issuer, owned: Owned) -> None:
    """To what is for operators, and what is for admins; an Admin only to the latter."""
    sam, ada = issuer.token(sub="sam", roles=["SuperAdmin"]), issuer.token(sub="ada")
    for (method, route), access in sorted(WHO_MAY.items()):
        if access in (ADMIN, OPERATOR) and method in ("GET", "HEAD") and "{id}" not in route:
            assert call(jwt_service, method, route, owned, sam).status_code == 200
            expected = 200 if access is ADMIN else 403
            assert call(jwt_service, method, route, owned, ada).status_code == expected


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/exports", "GET, HEAD, OPTIONS, POST"),
        ("PUT", "/exports/x", "DELETE, GET, HEAD, OPTIONS"),
        ("PATCH", "/exports/x/logs", "GET, HEAD, OPTIONS"),
        ("POST", "/exports/x/download", "GET, HEAD, OPTIONS"),
        ("TRACE", "/health", "GET, HEAD, OPTIONS"),
        ("POST", "/Export-Types", "GET, HEAD, OPTIONS"),
    ],
)
def test_another_method_is_refused(jwt_service: Service, method: str, path: str, allowed: str) -> None:
    """405 with those that there are; OPTIONS tells them."""
    answer = requests.request(method, jwt_service.api + path, timeout=30)
    assert_problem(answer, "method-not-allowed", detail=f"{method} is not possible here; possible: {allowed}")
    assert answer.headers["Allow"] == allowed
    asked = requests.options(jwt_service.api + path, timeout=30)
    assert (asked.status_code, asked.headers["Allow"], asked.content) == (204, allowed, b"")


@pytest.mark.parametrize("path", ["/", "/nothing", "/exports/x/else", "/dev/users", "/dev", "/docs/../health", "/%00"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_an_address_that_is_not_there_is_a_problem_document(jwt_service: Service, method: str, path: str) -> None:
    """404, whatever the method; what these settings do not offer is not there either."""
    prepared = requests.Request(method, jwt_service.api).prepare()
    prepared.url = jwt_service.api + path
    with requests.Session() as session:
        assert_problem(session.send(prepared, timeout=30), "not-found", detail="there is nothing here")
