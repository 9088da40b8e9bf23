"""Who called lately and as what; who has left; and what becomes of their schedules, webhooks and mails."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import quote

import azure.functions as func
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.catalog.export_types import Role
from shared.errors import Conflict, NotAllowed, NotFound, StorageUnavailable
from shared.identity import presence
from shared.identity.caller import Caller
from shared.identity.offboarding import offboard, reinstate
from shared.identity.people import People, Person
from shared.notifications.mail.eml_folder import Outbox
from shared.retention.sweepers import Sweep
from shared.retention.sweepers.unseen_people import UnseenPeople
from shared.schedules import leavers
from shared.schedules.notices import tell_owner
from shared.schedules.run_due import refusal
from shared.schedules.runs import CannotRun
from shared.schedules.store import ACTIVE, PAUSED, STOPPED, Schedule
from shared.services import Services
from shared.timestamps import iso
from shared.webhooks.endpoints import Endpoint, Secret
from shared.webhooks.leavers import look_after
from shared.webhooks.notices import tell_owner as tell_webhook_owner
from tests.in_process import services_on
from triggers.http.offboarding import user_of

NOW = datetime(2026, 3, 9, 8, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def context(new_account: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """The services, on an account with nobody in it, as where an issuer vouches for callers."""
    more = {"AUTH_MODE": "jwt", "JWT_ISSUER": "https://issuer.example", "JWT_AUDIENCE": "a"}
    with services_on(new_account(), MAIL_OUTBOX_DIR=str(tmp_path), **more) as made:
        monkeypatch.setattr(presence, "_memory", presence._Memory())
        yield made


def caller(user: str, *roles: Role, tenant: str = "acme", service: bool = False) -> Caller:
    """Somebody with these roles; an Admin without any."""
    return Caller(user, f"{user}@{tenant}.example", user.title(), tenant, roles or (Role.ADMIN,), service=service)


OPERATOR = caller("sam", Role.SUPER_ADMIN, tenant="house")


def seen(context: Services, who: Caller, at: datetime = NOW) -> Caller:
    """Note that they called."""
    context.people.note(who, at)
    return who


class Clock:
    """A clock that a test moves, and the writes and looks that were made under it."""

    def __init__(self, people: People, patch: pytest.MonkeyPatch) -> None:
        self.now, self.looks, self.writes = NOW, 0, 0
        get, note = people.get, people.note

        def counted_get(*args: Any) -> Person | None:
            self.looks += 1
            return get(*args)

        def counted_note(*args: Any) -> None:
            self.writes += 1
            note(*args)

        patch.setattr(people, "get", counted_get)
        patch.setattr(people, "note", counted_note)
        patch.setattr(presence, "utc_now", lambda: self.now)


@pytest.fixture
def clock(context: Services, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of ``presence``."""
    return Clock(context.people, monkeypatch)


def call(who: Caller, context: Services) -> None:
    """What every call does first."""
    if not presence.is_fresh(who):
        presence.look(who, context)


def test_calls_touch_storage_seldom(context: Services, clock: Clock) -> None:
    """A look every ten seconds at most, and a write an hour after the last one; also of a role claimed in vain."""
    ada = replace(caller("ada"), not_operator_from="a customer's directory")
    for _ in range(500):
        call(ada, context)
    assert (clock.looks, clock.writes) == (1, 1)
    for _ in range(360):
        clock.now += timedelta(seconds=10)
        call(ada, context)
    assert (clock.looks, clock.writes) == (361, 2)
    person = context.people.get("acme", "ada")
    assert person is not None
    assert (person.roles, person.seen_at) == (("Admin",), iso(NOW + timedelta(hours=1)))


def test_another_role_is_kept_at_once(context: Services, clock: Clock) -> None:
    """Also none at all, and the same user of another tenant is somebody else."""
    for roles in ((Role.ADMIN,), (Role.VIEWER,), (), (Role.MANAGER, Role.ADMIN)):
        who = replace(caller("ada"), roles=roles)
        call(who, context)
        person = context.people.get("acme", "ada")
        assert person is not None
        assert person.roles == roles
        assert person.administers == (Role.ADMIN in roles)
        assert Caller.from_json(person.caller) == who
    call(caller("ada", Role.VIEWER, tenant="globex"), context)
    assert [p.tenant for p in context.people.admins("acme")] == ["acme"]
    assert context.people.admins("globex") == []


@pytest.mark.parametrize("held", [held for n in range(5) for held in combinations(Role, n)], ids=str)
def test_roles_mean_the_same_of_a_caller_and_of_who_has_called(held: tuple[Role, ...]) -> None:
    """What is done for somebody later goes by the same rules as their own calls."""
    who = replace(caller("ada"), roles=held)
    known = Person(who.tenant, who.user, tuple(map(str, held)))
    assert (known.operates, known.administers, known.exports) == (who.all_tenants, who.administers, who.exports)
    assert who.exports == bool({Role.SUPER_ADMIN, Role.ADMIN, Role.MANAGER} & set(held))


def test_links_go_with_the_right_to_export(context: Services, clock: Clock) -> None:
    """Once, when it is lost; a Manager who was an Admin keeps them, and a Viewer from the start has none."""

    def revoked(user: str) -> bool:
        return context.links.were_revoked("acme", user, iso(NOW))

    for roles, gone in (((Role.ADMIN,), False), ((Role.MANAGER,), False), ((Role.VIEWER,), True), ((), True)):
        call(caller("ada", *roles) if roles else replace(caller("ada"), roles=()), context)
        assert (revoked("ada"), context.people.may_have("acme", "ada")) == (gone, not gone)
    clock.now += DAY
    call(caller("ada", Role.MANAGER), context)
    assert context.people.may_have("acme", "ada")
    assert not context.links.were_revoked("acme", "ada", iso(NOW + DAY))
    call(caller("vic", Role.VIEWER), context)
    assert not revoked("vic")
    assert context.people.may_have("acme", "never-called")


def test_two_tokens_of_one_person_cost_no_more(
    context: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether they differ in how the person is called or in what they may do; links are not revoked call by call."""
    revoked: list[str] = []
    monkeypatch.setattr(context.links, "revoke_links_of", lambda tenant, user, now: revoked.append(user))
    ada = caller("ada", Role.MANAGER, Role.ADMIN)
    called_otherwise = replace(ada, name="A. Ada", locale="de", email="a@acme.example", roles=ada.roles[::-1])
    max_, as_viewer = caller("max", Role.MANAGER), caller("max", Role.VIEWER)
    for _ in range(50):
        for who in (ada, called_otherwise, max_, as_viewer):
            call(who, context)
    assert (clock.looks, clock.writes, revoked) == (3, 3, ["max"])
    clock.now += timedelta(seconds=10)
    call(called_otherwise, context)
    person = context.people.get("acme", "ada")
    assert person is not None
    assert Caller.from_json(person.caller) == called_otherwise


def test_a_person_of_many_faces_is_looked_at_a_few_times(context: Services, clock: Clock) -> None:
    """As of a service that asks for a token of each company; ten seconds later it is so again."""
    for looks in (4, 8):
        for number in range(40):
            call(replace(caller("ada"), company_ids=(str(number % 20),)), context)
        assert (clock.looks, clock.writes) == (looks, looks)
        clock.now += timedelta(seconds=10)


def test_an_offboarding_during_a_look_is_not_forgotten(
    context: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the look had read before it is not remembered."""
    eve, get = caller("eve"), context.people.get
    note = context.people.note

    def offboarded_meanwhile(who: Caller, now: datetime) -> None:
        note(who, now)
        offboard("acme", "eve", caller("ada"), context)

    monkeypatch.setattr(context.people, "note", offboarded_meanwhile)
    call(eve, context)
    assert get("acme", "eve") is not None
    with pytest.raises(NotAllowed, match="you were offboarded here"):
        call(eve, context)


def test_whom_others_push_out_of_memory_is_answered(
    context: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever other threads do to what is remembered in the middle of a look."""
    monkeypatch.setattr(presence, "_REMEMBERED", 0)
    context.people.offboard("acme", "eve", "ada", "admin", NOW)
    for _ in range(2):
        call(caller("ada"), context)
        with pytest.raises(NotAllowed):
            call(caller("eve"), context)
    assert clock.looks == 4


def test_who_was_offboarded_is_out_on_every_worker(context: Services, clock: Clock) -> None:
    """On this one at once, on others ten seconds later; and calls of somebody who is out write nothing."""
    ada, eve = caller("ada"), caller("eve")
    call(eve, context)
    context.people.offboard("acme", "eve", "ada", "admin", NOW)  # on another worker
    call(eve, context)
    clock.now += timedelta(seconds=10)
    writes = clock.writes
    for _ in range(3):
        with pytest.raises(NotAllowed, match="you were offboarded here"):
            call(eve, context)
    assert clock.writes == writes
    reinstate("acme", "eve", ada, context)
    call(eve, context)
    offboard("acme", "eve", ada, context)
    with pytest.raises(NotAllowed):
        call(eve, context)
    call(caller("eve", tenant="globex"), context)


def test_a_storage_that_is_away_lets_nobody_new_in(
    context: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was known stays as they were, in or out; who is not known has to wait."""
    call(caller("ada"), context)
    context.people.offboard("acme", "eve", "ada", "admin", NOW)
    with pytest.raises(NotAllowed):
        call(caller("eve"), context)

    def away(*_: Any) -> None:
        raise StorageUnavailable("away")

    monkeypatch.setattr(context.people, "get", away)
    clock.now += timedelta(minutes=1)
    call(caller("ada"), context)
    with pytest.raises(NotAllowed):
        call(caller("eve"), context)
    with pytest.raises(StorageUnavailable):
        call(caller("max"), context)


def test_offboarding_twice_is_once(context: Services) -> None:
    """The first time and who did it stay; the name and the address go; another call of theirs does not undo it."""
    seen(context, caller("eve"))
    first = context.people.offboard("acme", "eve", "ada", "admin", NOW)
    again = context.people.offboard("acme", "eve", "bob", "admin", NOW + DAY)
    assert (again, first.offboarded_at, first.offboarded_by) == (first, iso(NOW), "ada")
    assert (first.caller, first.roles, first.seen_at) == ({}, (), "")
    seen(context, caller("eve"), NOW + DAY)
    assert context.people.get("acme", "eve") == first
    stranger = context.people.offboard("acme", "never/seen ü", "ada", "admin", NOW)
    assert (stranger.user, stranger.seen_at) == ("never/seen ü", "")
    context.people.reinstate("acme", "eve")
    context.people.reinstate("acme", "nobody")
    seen(context, caller("ada"))
    context.people.reinstate("acme", "ada")
    assert context.people.get("acme", "eve") is None
    assert context.people.may_have("acme", "eve")
    assert context.people.may_have("acme", "ada")


def test_a_call_that_is_under_way_brings_nobody_back(
    context: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker looked at the row before the offboarding, and writes after it."""
    seen(context, caller("eve"))
    get = context.people.get

    def offboarded_meanwhile(tenant: str, user: str) -> Person | None:
        found = get(tenant, user)
        context.people.offboard(tenant, user, "ada", "admin", NOW)
        return found

    monkeypatch.setattr(context.people, "get", offboarded_meanwhile)
    presence.look(replace(caller("eve"), name="Evelyn"), context)
    presence.look(caller("zoe"), context)
    for user in ("eve", "zoe"):
        kept = get("acme", user)
        assert kept is not None
        assert kept.offboarded_at == iso(NOW)
        assert (kept.caller, kept.roles, kept.seen_at) == ({}, (), "")


def test_who_may_offboard_whom(context: Services) -> None:
    """Nobody themselves, an Admin no operator, and what an operator did, an Admin does not lift."""
    ada = caller("ada")
    with pytest.raises(Conflict, match="you cannot offboard yourself"):
        offboard("acme", "ada", ada, context)
    seen(context, caller("sue", Role.SUPER_ADMIN))
    with pytest.raises(NotAllowed, match="an operator is offboarded by operators only"):
        offboard("acme", "sue", ada, context)
    assert offboard("acme", "sue", OPERATOR, context).person.offboarded_by == "sam"
    offboard("acme", "eve", ada, context)
    reinstate("acme", "eve", ada, context)
    offboard("acme", "eve", ada, context)
    offboard("acme", "eve", OPERATOR, context)
    offboard("acme", "eve", ada, context)
    with pytest.raises(NotAllowed, match="an operator lifts it"):
        reinstate("acme", "eve", ada, context)
    reinstate("acme", "eve", OPERATOR, context)
    assert not context.people.has_left("acme", "eve")


def schedule(context: Services, owner: Caller, schedule_id: str = "s1", **values: Any) -> Schedule:
    """A schedule of theirs that is due."""
    made = Schedule(
        tenant=owner.tenant,
        id=schedule_id,
        name="Every morning",
        created_by=owner.user,
        created_at=iso(NOW),
        cron="0 6 * * *",
        time_zone="UTC",
        request='{"exportType": "sessions"}',
        caller=owner.to_json(),
        caller_seen_at=iso(NOW),
        due_at=iso(NOW),
        run_at=iso(NOW),
    )
    made = replace(made, **values)
    context.schedules.create(made, 50)
    return made


def test_a_schedule_goes_by_what_its_owner_was_last(context: Services) -> None:
    """Whatever they called for; of an owner who has not called since, by what the schedule says, for a while."""
    ada = caller("ada")
    kept = schedule(context, ada)
    assert leavers.owner_of(kept, NOW, context) == ada
    assert refusal(kept, NOW, context) == ""
    viewer = seen(context, caller("ada", Role.VIEWER), NOW + DAY)
    assert leavers.owner_of(kept, NOW + DAY, context) == viewer
    assert refusal(kept, NOW + DAY, context).startswith("a Viewer cannot ask for exports")
    seen(context, ada, NOW + 80 * DAY)
    assert refusal(kept, NOW + 120 * DAY, context) == ""
    with pytest.raises(CannotRun, match="has not been here for 90 days"):
        leavers.owner_of(kept, NOW + 171 * DAY, context)
    context.people.offboard("acme", "ada", "bob", "admin", NOW)
    assert refusal(kept, NOW, context) == "its owner was offboarded"
    with pytest.raises(Conflict, match="delete the schedule, and make one of your own"):
        leavers.check_resumable(kept, context)


def test_all_schedules_of_a_leaver_are_stopped(context: Services, tmp_path: Path) -> None:
    """Those that are paused too, once; the Admins of the tenant are told in the owner's place, others are not."""
    eve, ada = caller("eve"), seen(context, caller("ada"))
    seen(context, caller("bob", Role.VIEWER))
    seen(context, caller("billing", service=True))
    for number, state in enumerate((ACTIVE, PAUSED, STOPPED)):
        schedule(context, eve, f"s{number}", state=state, name=f"Number {number}")
    schedule(context, ada, "other")
    done = offboard("acme", "eve", ada, context)
    assert (done.schedules, offboard("acme", "eve", ada, context).schedules) == (2, 0)
    stopped = [context.schedules.get("acme", f"s{number}") for number in range(3)]
    assert [(s.state, s.stop_reason) for s in stopped if s] == [(STOPPED, "its owner was offboarded")] * 2 + [
        (STOPPED, "")
    ]
    other = context.schedules.get("acme", "other")
    assert other is not None
    assert other.state == ACTIVE
    for one in stopped[:2]:
        assert one is not None
        assert one.notice
        tell_owner(one, context)
    mails = Outbox(str(tmp_path), "exports@example.com").mails()
    assert sorted((mail["to"], mail["subject"]) for mail in mails) == [
        ("ada@acme.example", "'Number 0' was stopped"),
        ("ada@acme.example", "'Number 1' was stopped"),
    ]
    assert all("its owner was offboarded" in mail["text"] for mail in mails)


def webhook(context: Services, owner: Caller, endpoint_id: str = "wh1", **values: Any) -> Endpoint:
    """A webhook of theirs."""
    made = Endpoint(
        tenant=owner.tenant,
        id=endpoint_id,
        url="https://hooks.example.com/x",
        events=("export.completed",),
        created_by=owner.user,
        created_at=iso(NOW),
        secrets=(Secret("whsec_" + "x" * 32),),
        owner=owner.to_json(),
        **values,
    )
    context.endpoints.create(made, 20)
    return made


def told(endpoint: Endpoint, context: Services) -> Endpoint:
    """The webhook, once the timer has told its owner what was done."""
    if endpoint.notice:
        tell_webhook_owner(endpoint, context)
    return endpoint


def test_a_webhook_passes_to_the_admin_who_called_last(context: Services, tmp_path: Path) -> None:
    """When its owner is offboarded, or no Admin any more; who hears of its end is the new owner."""
    eve = seen(context, caller("eve"))
    made = webhook(context, eve)
    seen(context, caller("ada"), NOW - DAY)
    seen(context, caller("bob"), NOW)
    seen(context, caller("max", Role.MANAGER), NOW + DAY)
    seen(context, caller("billing", service=True), NOW + DAY)
    seen(context, caller("zoe", tenant="globex"), NOW + DAY)
    assert look_after(made, NOW, context).owner["user"] == "eve"
    seen(context, caller("eve", Role.MANAGER), NOW + DAY)
    passed = told(look_after(made, NOW + DAY, context), context)
    assert (passed.owner["user"], passed.created_by, passed.enabled) == ("bob", "eve", True)
    assert offboard("acme", "bob", caller("ada"), context).webhooks == 1
    mine = context.endpoints.get("acme", "wh1")
    assert mine is not None
    assert mine.owner["user"] == "ada"
    told(mine, context)
    disabled = context.endpoints.change(mine, lambda e: e.given_up(NOW, "the receiver answered 410 Gone"))
    assert disabled is not None
    tell_webhook_owner(disabled, context)
    mails = Outbox(str(tmp_path), "exports@example.com").mails()
    assert sorted((m["to"], m["subject"]) for m in mails) == [
        ("ada@acme.example", "The webhook 'hooks.example.com' is yours now"),
        ("ada@acme.example", "Your webhook 'hooks.example.com' was disabled"),
        ("bob@acme.example", "The webhook 'hooks.example.com' is yours now"),
    ]


def test_a_webhook_without_an_admin_stops_after_two_weeks(context: Services, tmp_path: Path) -> None:
    """Not a day sooner, nor when somebody has come meanwhile; a service's and one that is off stay as they are."""
    eve = seen(context, caller("eve", Role.VIEWER), NOW)
    made = webhook(context, caller("eve"))
    first = look_after(made, NOW, context)
    assert (first.enabled, first.ownerless_since) == (True, iso(NOW))
    assert look_after(first, NOW + 13.9 * DAY, context).enabled
    seen(context, caller("ada"), NOW + 5 * DAY)
    passed = look_after(first, NOW + 14 * DAY, context)
    assert (passed.enabled, passed.owner["user"], passed.ownerless_since) == (True, "ada", "")

    other = webhook(context, caller("eve"), "wh2")
    ada = context.people.get("acme", "ada")
    assert ada is not None
    assert context.people.forget(ada)
    look_after(other, NOW, context)
    ended = told(look_after(other, NOW + 14 * DAY, context), context)
    assert (ended.enabled, ended.wants("export.completed")) == (False, False)
    assert ended.disabled_reason == ("its owner has left, and no other Admin of the organisation has come for 14 days")
    mails = Outbox(str(tmp_path), "exports@example.com").mails()
    assert [m["to"] for m in mails if "was disabled" in m["subject"]] == [eve.email]
    kept = context.endpoints.get("acme", "wh2")
    assert kept is not None
    assert kept.notice == ""

    service = seen(context, caller("service:billing", service=True))
    for stays in (
        webhook(context, service, "wh3"),
        webhook(context, caller("nobody-knows"), "wh4"),
        webhook(context, caller("eve"), "wh5", disabled_at=iso(NOW), disabled_reason="off"),
    ):
        assert look_after(stays, NOW + 400 * DAY, context) == stays


def test_what_is_known_of_people_is_forgotten(context: Services) -> None:
    """After as long as a schedule may rely on it; but who was offboarded stays out."""
    seen(context, caller("old"), NOW - 91 * DAY)
    seen(context, caller("new"), NOW - 89 * DAY)
    seen(context, caller("gone"), NOW - 91 * DAY)
    context.people.offboard("acme", "gone", "ada", "admin", NOW)
    context.people.offboard("acme", "never-seen", "ada", "admin", NOW)
    sweep = Sweep(context, NOW, lambda _: None, lambda _: None, lambda _: None)  # type: ignore[arg-type,return-value]
    page = UnseenPeople().page(sweep, "")
    assert [person.user for person in page.items] == ["old"]
    assert [context.people.forget(page.items[0]) for _ in range(2)] == [True, False]
    assert context.people.get("acme", "old") is None
    assert context.people.has_left("acme", "gone")
    assert context.people.has_left("acme", "never-seen")


def test_what_an_older_release_kept_of_who_has_left_is_removed(context: Services) -> None:
    """Name, address, roles and the time of the last call, at the next run of retention; the offboarding stays."""
    gone = context.people.offboard("acme", "gone", "ada", "admin", NOW)
    person = replace(gone, roles=("Admin",), caller=caller("gone").to_json(), seen_at=iso(NOW))
    context.people._table.upsert_entity(person.to_entity())
    sweep = Sweep(context, NOW, lambda _: None, lambda _: None, lambda _: None)  # type: ignore[arg-type,return-value]
    (found,) = UnseenPeople().page(sweep, "").items
    assert context.people.forget(found)
    assert context.people.get("acme", "gone") == gone
    assert UnseenPeople().page(sweep, "").items == []


def test_who_comes_or_is_offboarded_while_retention_runs_is_not_forgotten(context: Services) -> None:
    """What was found is removed only as it was found."""
    for user in ("back", "out"):
        seen(context, caller(user), NOW - 91 * DAY)
    sweep = Sweep(context, NOW, lambda _: None, lambda _: None, lambda _: None)  # type: ignore[arg-type,return-value]
    items = UnseenPeople().page(sweep, "").items
    seen(context, caller("back"))
    context.people.offboard("acme", "out", "ada", "admin", NOW)
    assert [context.people.forget(item) for item in items] == [False, False]
    assert context.people.get("acme", "back") is not None
    assert context.people.has_left("acme", "out")


def request_for(segment: str, prefix: str = "users") -> func.HttpRequest:
    """A request to offboard whom this segment of the address names."""
    return func.HttpRequest("POST", f"http://127.0.0.1:7071/api/{prefix}/{segment}/offboard?x=/y", body=b"")


@given(st.text(min_size=1, max_size=200).filter(str.isprintable))
@example("a/b")
@example("a%2Fb")
@example("auth0|6f1;x=1?y#z&=+ ")
@example("ädä 日本 👩‍🚀".replace("\u200d", ""))
@example("offboard")
@example("..")
def test_any_printable_id_can_be_named(user: str) -> None:
    """Percent-encoded, whatever it holds."""
    assert user_of(request_for(quote(user, safe=""))) == user
    assert user_of(request_for(quote(user, safe=""), "ops/users/acme")) == user


@pytest.mark.parametrize("segment", ["%FF", "a%0Ab", "a%00", "%E2%80%AE", "x" * 201, "%7F", "%ED%A0%80"])
def test_what_is_no_id_is_refused(segment: str) -> None:
    """By name."""
    with pytest.raises(NotFound, match="a user's id has 1 to 200 printable characters"):
        user_of(request_for(segment))


def test_an_admins_word_shuts_no_operator_out(context: Services, clock: Clock) -> None:
    """Not one who had not called before either; an operator's word does, and so does an Admin's for other roles."""
    root = caller("root", Role.SUPER_ADMIN)
    offboard("acme", "root", caller("ada"), context)
    call(root, context)
    call(root, context)
    with pytest.raises(NotAllowed, match="you were offboarded here"):
        call(caller("root"), context)
    call(root, context)
    offboard("acme", "root", OPERATOR, context)
    with pytest.raises(NotAllowed, match="you were offboarded here"):
        call(root, context)
