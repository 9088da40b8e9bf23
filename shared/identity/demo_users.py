"""The people of the demo, for ``AUTH_MODE=dev``. Their companies and scopes are those of the demo databases."""

from collections.abc import Mapping
from typing import Any

from shared.catalog.export_types import Role

_ACME = {"tenant": "acme", "company_ids": ("123", "124", "125"), "operational_scope_ids": ("north", "south")}
_GLOBEX = {"tenant": "globex", "company_ids": ("201", "202"), "operational_scope_ids": ("emea",)}

DEMO_USERS: Mapping[str, Mapping[str, Any]] = {
    "sam": {"email": "sam@sluice.example", "name": "Sam Okafor", "roles": (Role.SUPER_ADMIN,), **_ACME},
    "ada": {"email": "ada@acme.example", "name": "Ada Lindqvist", "roles": (Role.ADMIN,), **_ACME},
    "max": {
        "email": "max@acme.example",
        "name": "Max Moreau",
        "roles": (Role.MANAGER,),
        **_ACME,
        "company_ids": ("123",),
        "operational_scope_ids": ("north",),
        "locale": "fr",
    },
    "vic": {"email": "vic@acme.example", "name": "Vic Tanaka", "roles": (Role.VIEWER,), **_ACME},
    "bea": {"email": "bea@globex.example", "name": "Bea Schuster", "roles": (Role.ADMIN,), **_GLOBEX, "locale": "de"},
    "gus": {"email": "gus@globex.example", "name": "Gus Ferreira", "roles": (Role.MANAGER,), **_GLOBEX},
}
