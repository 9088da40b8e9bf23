"""The files of ``/docs``: Swagger UI's, which a Python package carries, and the page and script that start it."""

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.metadata import distribution
from pathlib import Path

FILES: Mapping[str, str] = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
    "start.js": "text/javascript",
}
"""Names, and media types."""

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sluice API</title>
<link rel="icon" href="docs/favicon-32x32.png"><link rel="stylesheet" href="docs/swagger-ui.css">
<div id="docs"></div><script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></html>
"""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""What the page may do: load from here, and call here."""

_START = b"""window.addEventListener("load", () => SwaggerUIBundle({
  url: "openapi.json", dom_id: "#docs", deepLinking: true, validatorUrl: null, tryItOutEnabled: true,
}))
"""


@cache
def content(name: str) -> tuple[bytes, str]:
    """One of the files, and its entity tag (RFC 9110, section 8.8.3)."""
    if name == "start.js":
        found = _START
    else:
        found = Path(str(distribution("flask-swagger-ui").locate_file(f"flask_swagger_ui/dist/{name}"))).read_bytes()
    return found, f'"{sha256(found).hexdigest()[:32]}"'
