"""docs/reference/api.md: every operation, from its declaration."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus

import triggers.http  # noqa: F401  # declares every operation
from shared.api.operations import Operation, Parameter
from triggers.http.operation import operations

TAGS: Mapping[str, str] = {
    "exports": "Exports",
    "notifications": "Notifications and preferences",
    "mail": "Links in mails",
    "schedules": "Schedules",
    "webhooks": "Webhooks",
    "admin": "Administration of a tenant",
    "operation": "Operation of the service",
    "service": "The service itself",
    "dev": "Local development",
}
"""Tag of an operation, and the heading of its section."""

_INTRODUCTION = """# API

Generated from the declarations of the operations by `make reference`. Every path starts with `/api`. The service has
the same document for programs at `GET /openapi.json` (OpenAPI 3.1) and for people at `GET /docs` (Swagger UI).

- Send `Authorization: Bearer <token>`, or sign in with App Service authentication:
  [Set up sign-in](../how-to/identity.md).
- Bodies and answers are JSON. Every error is a problem document: [Errors](errors.md).
- HEAD works wherever GET does. [What an export guarantees](../explanation/guarantees.md#http) explains request ids and
  ETags.
- Clients can be generated from the document. `make test-clients` tries openapi-typescript, @hey-api/openapi-ts,
  openapi-python-client and datamodel-code-generator. In typed languages use the request of
  the export type, such as `SessionsRequest`, for filters and columns.
"""


def page() -> str:
    """The whole page."""
    shown = [one for one in operations() if one.method != "HEAD"]
    text = _INTRODUCTION
    for tag, title in TAGS.items():
        tagged = sorted((one for one in shown if one.tag == tag), key=lambda one: (one.route, one.method))
        text += f"\n## {title}\n\n| call | purpose |\n|---|---|\n"
        text += "".join(f"| [`{one.method} /{one.route}`](#{one.operation_id}) | {one.summary} |\n" for one in tagged)
        text += "".join(map(_section, tagged))
    return text


def _section(one: Operation) -> str:
    text = f"\n### `{one.method} /{one.route}` {{ #{one.operation_id} }}\n\n{one.description}\n\n"
    text += f"Access: {one.access}. Audit entry: {f'`{one.audit}`' if one.audit else 'none'}.\n"
    if one.parameters:
        text += "\n| parameter | in | values | meaning |\n|---|---|---|---|\n"
        text += "".join(map(_parameter, one.parameters))
    if one.body:
        text += f"\nBody: `{one.body.__name__}`.\n"
    return text + "\n" + "".join(_answers(one))


def _parameter(parameter: Parameter) -> str:
    schema = parameter.schema
    values = ", ".join(f"`{value}`" for value in schema["enum"]) if "enum" in schema else str(schema.get("type", ""))
    place = "path" if parameter.required else "query"
    return f"| `{parameter.name}` | {place} | {values} | {_cell(parameter.summary)} |\n"


def _answers(one: Operation) -> Iterator[str]:
    yield "| status | answer |\n|---|---|\n"
    for status, answer in sorted(one.answers.items()):
        model = f" `{answer.model.__name__}`" if answer.model else ""
        yield f"| {status} | {_cell(answer.summary)}{model} |\n"
    problems = ", ".join(f"[{status}](errors.md#{status})" for status in one.problems)
    yield f"| {problems} | a problem document |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def phrase(status: int) -> str:
    """The name of an HTTP status."""
    return HTTPStatus(status).phrase
