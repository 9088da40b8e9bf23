"""The links in mails, as the script of their page uses them: the token goes in a body, never in an address."""

import re
from collections.abc import Mapping
from typing import Any

import jwt
import requests


def link_in(mail: Mapping[str, Any]) -> str:
    """The link to the file, the same in both halves of the mail."""
    (link,) = re.findall(r"http\S+/d#\S+", mail["text"])
    assert f'href="{link}"' in mail["html"]
    return str(link)


def look(link: str, **headers: str) -> requests.Response:
    """What the page asks when it is opened."""
    return _post(link, "link", headers)


def press(link: str, **headers: str) -> requests.Response:
    """What its button asks."""
    return _post(link, "link/file", headers)


def _post(link: str, path: str, headers: Mapping[str, str]) -> requests.Response:
    page, _, token = link.partition("#")
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.post(f"{page.removesuffix('d')}{path}", json={"token": token}, headers=sent, timeout=30)


def signed_link(base_url: str, tenant: str, export_id: str, generation: int, key: str) -> str:
    """A link as older releases made them."""
    claims = {"sub": export_id, "tenant": tenant, "links": generation, "aud": "sluice-landing"}
    return f"{base_url}/api/d/{jwt.encode(claims, key, algorithm='HS256')}"
