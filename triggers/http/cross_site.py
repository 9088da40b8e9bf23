"""Pages of other sites that ask for a change with the session of whoever looks at them (cross-site request forgery).

Only App Service authentication has sessions, in cookies that a browser sends along with every request, whichever page
makes it. A token in ``Authorization`` is sent by nobody but its owner. What a page of another site can send without
being asked about it (Fetch standard, CORS-safelisted requests) has neither JSON nor a header of ours; and browsers say
where a request comes from (W3C Fetch Metadata, RFC 6454).
"""

from urllib.parse import urlsplit

import azure.functions as func

from shared.errors import CrossSite, WrongMediaType
from shared.identity.easy_auth import PRINCIPAL_HEADER
from shared.settings import Settings, settings

OUR_HEADER = "X-Requested-With"

_SESSION_HEADER = "x-zumo-auth"
"""Where a program sends the session that App Service authentication gave it, in place of a cookie."""

_CHANGES_NOTHING = frozenset({"GET", "HEAD", "OPTIONS"})


def check_site(req: func.HttpRequest) -> None:
    """Raise ``CrossSite`` or ``WrongMediaType`` for a change that a page of another site may have asked for."""
    if req.method in _CHANGES_NOTHING:
        return
    known = settings()
    if known.auth_mode != "easyauth" or PRINCIPAL_HEADER not in req.headers:
        return
    if req.headers.get("authorization", "").lower().startswith("bearer ") or _SESSION_HEADER in req.headers:
        return
    origin, site = req.headers.get("origin", ""), req.headers.get("sec-fetch-site", "").lower()
    if origin and origin not in _own_origins(req, known) | known.cors_origins:
        raise CrossSite(f"pages of '{origin[:80]}' may not do this; CORS_ORIGINS names those that may")
    if site not in ("", "same-origin", "none") and origin not in known.cors_origins:
        raise CrossSite("a page of another site may not do this with your session")
    media_type = req.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json" or media_type.endswith("+json") or OUR_HEADER in req.headers:
        return
    if site == "same-origin" and not req.get_body():
        return
    raise WrongMediaType(f"send 'Content-Type: application/json' or the header {OUR_HEADER}, got '{media_type[:80]}'")


def _own_origins(req: func.HttpRequest, known: Settings) -> frozenset[str]:
    addresses = (urlsplit(known.public_url), urlsplit(req.url))
    return frozenset(f"{address.scheme}://{address.netloc}" for address in addresses)
