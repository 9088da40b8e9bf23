"""HTML answers: no cache keeps them, no other page frames them, and they tell nobody where a reader came from."""

import azure.functions as func

from shared.notifications.templates.pages import policy


def html_response(status: int, text: str, rules: str = "") -> func.HttpResponse:
    """A page with the Content-Security-Policy ``rules``; without, one that runs nothing and has no form."""
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": rules or policy(),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return func.HttpResponse(text, status_code=status, headers=headers, mimetype="text/html", charset="utf-8")
