"""Whether somebody may still have an export: rights are looked at again when its file is handed out or made anew.

What a person may do is known from their calls (``shared/identity/people.py``). Of somebody who does not call at this
moment, it is what their last call said; of somebody who never called nothing else is known than what the export's
record says.
"""

from collections.abc import Iterator

from shared.catalog.export_types import ExportType, FunctionExport, Scope
from shared.catalog.registry import export_types
from shared.errors import NotAllowed
from shared.identity.caller import Caller
from shared.jobs.records import ExportRecord
from shared.requests.export_request import ExportRequest
from shared.services import Services


def check_file_of(record: ExportRecord, caller: Caller | None, context: Services) -> None:
    """Raise ``NotAllowed`` unless this caller, or the export's owner where nobody calls, may have its file.

    The type must be open to them. Who administers the tenant may have the files of all its companies; others only those
    of companies and scopes that are still theirs. Blocks where nobody calls.
    """
    person = caller or owner_of(record, context)
    if person is None or person.all_tenants:
        return
    _check_type(record, person, yours=caller is not None)
    if not person.administers:
        _check_reach(record, person, yours=caller is not None)


def check_retry(record: ExportRecord, caller: Caller, context: Services) -> None:
    """Raise ``NotAllowed`` unless the export could be asked for now: by its owner, and by the caller who retries it.

    Blocks.
    """
    own = (caller.tenant, caller.user) == (record.tenant, record.created_by)
    if not own and not caller.all_tenants:
        _check_type(record, caller, yours=True)
    if owner := caller if own else owner_of(record, context):
        _check_type(record, owner, yours=own)
        if not owner.service:  # a service names its companies anew with each token
            _check_reach(record, owner, yours=own)


def owner_of(record: ExportRecord, context: Services) -> Caller | None:
    """Who asked, as of their last call; None when they have not called since, or have left. Blocks."""
    person = context.people.get(record.tenant, record.created_by)
    return Caller.from_json(person.caller) if person and person.caller else None


def _type_of(record: ExportRecord) -> ExportType | None:
    return next((t for t in export_types() if t.name == record.export_type), None)


def _check_type(record: ExportRecord, person: Caller, *, yours: bool) -> None:
    found = _type_of(record)
    if found is None and not person.administers:  # nobody knows to whom it was open
        raise NotAllowed(f"export type '{record.export_type}' is gone; its files are for an Admin of your organisation")
    if found is not None and not person.may_use(found):
        whose = "you are" if yours else "who asked for this export is"
        roles = ", ".join(person.roles)
        raise NotAllowed(f"export type '{found.name}' is open to: {', '.join(found.roles)}; {whose}: {roles}")


def _check_reach(record: ExportRecord, person: Caller, *, yours: bool) -> None:
    for kind, wanted, present in _reach(record, person):
        if not set(wanted) <= set(present):
            whose = "yours" if yours else "those of who asked for it"
            raise NotAllowed(f"this export has rows of {kind} that are not {whose} any more; ask for a new one")


def _reach(record: ExportRecord, person: Caller) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """By kind, the ids that the export reaches and those that a person has now; only those that its type goes by."""
    request = ExportRequest.model_validate_json(record.request["body"])
    asked, found = Caller.from_json(record.caller), _type_of(record)
    scope = Scope.OPERATIONAL if found is None or isinstance(found, FunctionExport) else found.scope
    if scope is not Scope.TENANT:
        companies = request.company_ids
        yield "companies", asked.company_ids if companies is None else companies, person.company_ids
    if scope is Scope.OPERATIONAL:
        scopes = request.operational_scope_ids
        wanted = asked.operational_scope_ids if scopes is None else scopes
        yield "operational scopes", wanted, person.operational_scope_ids
