"""The demo's rows: realistic, awkward where real data is awkward, and the same on every machine.

``tables()`` gives Arrow tables, column by column, so that a million rows take a second or two. Names and notes hold
accents, other scripts, quotes, line breaks, and a few cells that begin like a formula.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

SESSIONS = {"acme": 1_000_000, "initech": 60_000, "globex": 5_000, "umbrella": 0}
USERS = {"acme": 20_000, "initech": 1_500, "globex": 200, "umbrella": 0}
COMPANIES = {"acme": ("123", "124", "125"), "initech": ("301", "302", "303", "304"), "globex": ("201", "202")}
SCOPES = {"acme": ("north", "south"), "initech": ("field", "office"), "globex": ("emea",)}
EVENTS = {"acme": 200_000, "initech": 24_000, "globex": 2_000}
EMPLOYEES = {"acme": 3_000, "initech": 800, "globex": 300}
EXEMPTIONS = 2_000
CHUNK_ROWS = 213_000
"""Sessions are made in chunks of this many rows: a multiple of the cycle in which the tenants are interleaved."""

# fmt: off
FIRST_NAMES = (
    "Ana", "Luis", "Zoë", "Jürgen", "Maria", "John", "Wei", "Søren", "Oluwaseun", "Chloé", "Ivan", "Fatima", "太郎",
    "Владимир", "Priya", "Ahmed", "Emma", "Noah", "Liam", "Olivia", "Łukasz", "Renée", "Carlos", "Sofia", "Müge",
    "Aiko", "Peter", "Laura", "Hugo", "Nina",
)
LAST_NAMES = (
    "Smith", "García", "Müller", "Nguyễn", "O'Brien", "López", "Johnson", "Williams", "Brown", "Jones",
    "Kowalski", "Øster", "Ivanov", "山田", "Dubois", "Rossi", "Silva", "Haddad", "Kim", "Singh", "Cohen", "Novák",
    "Fernández", "Schmidt", "Weber", "Jansen", "Almeida", "Costa", "Moore", "Taylor",
)
# fmt: on
MAIL_HOSTS = ("example.com", "mail.example.org", "corp.example.net", "kontakt.example.de")
# fmt: off
COUNTRIES = (
    "US", "DE", "FR", "ES", "GB", "CL", "BR", "IN", "CN", "JP", "NG", "ZA", "PL", "SE", "NO", "MX", "AR", "IT",
    "NL", "TR",
)
# fmt: on
STATUSES = ("active", "expired", "revoked", "pending")
EVENT_KINDS = ("login", "logout", "search", "export", "upload", "error")
JOB_TITLES = ("Engineer", "Nurse", "Driver", "Team lead, night shift", 'Clerk "B"', "Köchin", "Électricien", "経理")
EXEMPTION_KINDS = ("overtime", "night-shift", "training", "medical")
NOTE_OPENINGS = (
    "Customer asked for",
    "Order shipped;",
    "Follow-up call about",
    "Quarterly review of",
    "Refund approved for",
    "<urgent> check",
    "Reçu hier :",
    "Rückfrage wegen",
)
NOTE_SUBJECTS = (
    'item "as is", warehouse north',
    "the invoice & delivery",
    "stock, south store",
    "low priority backlog",
    "the naïve façade — rejected",
    "budget 2025",
    "contract 7/11",
    "在庫の確認",
)
NOTE_ENDINGS = ("", " again next week", ", said ok", " (team lead)", "\nsecond line", "; contact later", " 👍", ".")

_FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
_MICROSECONDS = 1_000_000
_DAY = 86_400 * _MICROSECONDS
_THREE_YEARS = 1_096 * _DAY
_HEAD_DAY = 19_723  # 2024-01-01 as days since 1970


def tables() -> Iterator[tuple[str, pa.Table]]:
    """Every table of the schema with its rows; large tables come in several pieces."""
    yield "organisations", _organisations()
    yield "companies", _companies()
    yield "operational_scopes", _operational_scopes()
    users = _users()
    yield "users", users
    for first_row in range(0, sum(SESSIONS.values()), CHUNK_ROWS):
        yield "sessions", _sessions(first_row, min(CHUNK_ROWS, sum(SESSIONS.values()) - first_row), users)
    yield "events", _events()
    employees = _employees()
    yield "employees", employees
    yield "exemptions", _exemptions(employees)


def _organisations() -> pa.Table:
    names = {
        "acme": "Acme Corporation",
        "initech": 'Initech "Q" GmbH',
        "globex": "Globex, Inc.",
        "umbrella": "Umbrella",
    }
    created = pa.array([_FIRST_DAY] * len(SESSIONS), pa.timestamp("us", "UTC"))
    return pa.table({"id": list(SESSIONS), "name": [names[id_] for id_ in SESSIONS], "created_at": created})


def _companies() -> pa.Table:
    rows = [(company, tenant) for tenant, companies in COMPANIES.items() for company in companies]
    return pa.table(
        {
            "id": [company for company, _ in rows],
            "organisation_id": [tenant for _, tenant in rows],
            "name": [f"{tenant.title()} Company {company}" for company, tenant in rows],
        }
    )


def _operational_scopes() -> pa.Table:
    rows = [(tenant, scope) for tenant, scopes in SCOPES.items() for scope in scopes]
    return pa.table(
        {
            "organisation_id": [tenant for tenant, _ in rows],
            "id": [scope for _, scope in rows],
            "name": [f"{tenant.title()} {scope}" for tenant, scope in rows],
        }
    )


def _users() -> pa.Table:
    count = sum(USERS.values())
    dice = _Dice(1, count)
    tenants = pa.array([tenant for tenant, users in USERS.items() for _ in range(users)], pa.string())
    number = _text(_numbers(0, count))
    return pa.table(
        {
            "id": _join("u-", _text(_numbers(1, count))),
            "organisation_id": tenants,
            "email": _join("user", number, "@", dice.pick(MAIL_HOSTS)),
            "name": _names(dice, count),
            "role": dice.pick(("Admin", "Manager", "Manager", "Viewer", "Viewer", "Viewer", "Viewer", "Viewer")),
            "language": dice.pick(("en", "en", "fr", "de", "es", "ja")),
            "country": dice.sometimes_null(0.05, dice.pick(COUNTRIES)),
            "active": dice.chance(0.9),
            "created_at": dice.moments(0, _THREE_YEARS * 2 // 3),
            "last_seen_at": dice.sometimes_null(0.2, dice.moments(_THREE_YEARS * 2 // 3, _THREE_YEARS // 3)),
        }
    )


def _names(dice: "_Dice", count: int) -> pa.Array:
    first, last, odd = dice.pick(FIRST_NAMES), dice.pick(LAST_NAMES), dice.draw()
    names = _join(first, " ", last)
    for limit, variant in (
        (0.15, _join(first, " ", last, " ", dice.pick(LAST_NAMES))),
        (0.065, _join(last, ", ", first)),
        (0.025, _join(first, ' "', last, '" ', last)),
        (0.005, _join(first, "\n", last)),
        (0.001, _join("=cmd|", first)),
    ):
        names = pc.if_else(pc.less(odd, limit), variant, names)
    return names


def _sessions(first_row: int, count: int, users: pa.Table) -> pa.Table:
    """Rows of all tenants, interleaved in a cycle of 213: 200 of acme, 12 of initech, 1 of globex."""
    dice = _Dice(1_000 + first_row, count)
    rows = _numbers(first_row, count)
    cycle = [("acme" if place < 200 else "initech" if place < 212 else "globex") for place in range(213)]
    spread = [cycle[place * 89 % 213] for place in range(213)]
    place = pc.subtract(rows, pc.multiply(pc.divide(rows, 213), 213))
    tenants = pa.array(spread).take(place)
    first_user, user_count = _by_tenant(tenants, _starts(USERS)), _by_tenant(tenants, USERS)
    # Some users have a hundred times the sessions of others.
    skewed = pc.multiply(pc.power(dice.draw(), 2.0), pc.cast(user_count, pa.float64()))
    user = pc.add(first_user, pc.cast(pc.floor(skewed), pa.int64()))
    company = pc.if_else(
        pc.equal(tenants, "acme"),
        dice.pick(COMPANIES["acme"]),
        pc.if_else(pc.equal(tenants, "initech"), dice.pick(COMPANIES["initech"]), dice.pick(COMPANIES["globex"])),
    )
    total = sum(SESSIONS.values())
    pace = _THREE_YEARS // total
    started = pc.add(pc.multiply(rows, pace), pc.cast(pc.floor(pc.multiply(dice.draw(), float(pace * 20))), pa.int64()))
    cents = pc.subtract(dice.whole(2_005_000_00), 5_000_00)
    day = pc.add(pc.divide(started, _DAY), _HEAD_DAY)
    return pa.table(
        {
            "id": pc.add(pc.multiply(rows, 3), 1_003),
            "organisation_id": tenants,
            "company_id": company,
            "user_id": users["id"].take(user),
            "token": _uuids(first_row, count),
            "email": users["email"].take(user),
            "user_name": users["name"].take(user),
            "country": users["country"].take(user),
            "amount": dice.sometimes_null(0.02, _decimal(cents)),
            "score": dice.sometimes_null(0.02, pc.multiply(pc.subtract(dice.draw(), 0.25), 1_000.0)),
            "mobile": dice.chance(0.6),
            "billed_on": dice.sometimes_null(0.1, pc.cast(pc.cast(day, pa.int32()), pa.date32())),
            "started_at": _moment(started),
            "notes": _notes(dice, rows),
            "status": dice.pick(STATUSES),
        }
    )


def _notes(dice: "_Dice", rows: pa.Array) -> pa.Array:
    notes = _join(dice.pick(NOTE_OPENINGS), " ", dice.pick(NOTE_SUBJECTS), dice.pick(NOTE_ENDINGS))
    notes = dice.sometimes_null(0.3, notes)
    for remainder, cell in (
        (100, "-2+3 units returned"),
        (300, "+49 30 1234567, call back"),
        (500, "=SUM(A1:A9)"),
        (700, "@team: please check"),
        (900, ""),
    ):
        notes = pc.if_else(_remainder_is(rows, 5_000, remainder), cell, notes)
    return notes


def _events() -> pa.Table:
    count = sum(EVENTS.values())
    dice = _Dice(2, count)
    tenants = pa.array([tenant for tenant, events in EVENTS.items() for _ in range(events)], pa.string())
    user = pc.add(
        _by_tenant(tenants, _starts(USERS)),
        pc.cast(
            pc.floor(pc.multiply(dice.draw(), pc.cast(_by_tenant(tenants, USERS), pa.float64()))),
            pa.int64(),
        ),
    )
    return pa.table(
        {
            "id": _numbers(1, count),
            "organisation_id": tenants,
            "user_id": _join("u-", _text(pc.add(user, 1))),
            "kind": dice.pick(EVENT_KINDS),
            "duration_ms": dice.sometimes_null(0.1, dice.whole(90_000)),
            "occurred_at": dice.moments(0, _THREE_YEARS),
        }
    )


def _employees() -> pa.Table:
    count = sum(EMPLOYEES.values())
    dice = _Dice(3, count)
    rows = [
        (tenant, COMPANIES[tenant][n % len(COMPANIES[tenant])], SCOPES[tenant][n // 7 % len(SCOPES[tenant])])
        for tenant, employees in EMPLOYEES.items()
        for n in range(employees)
    ]
    number = _text(_numbers(10_000, count))
    return pa.table(
        {
            "id": _numbers(1, count),
            "organisation_id": [tenant for tenant, _, _ in rows],
            "company_id": [company for _, company, _ in rows],
            "operational_scope_id": [scope for _, _, scope in rows],
            "number": _join("00", number),
            "name": _names(dice, count),
            "email": dice.sometimes_null(0.1, _join("e", number, "@", dice.pick(MAIL_HOSTS))),
            "job_title": dice.pick(JOB_TITLES),
            "salary": dice.sometimes_null(0.05, _decimal(pc.add(dice.whole(9_000_000), 2_000_000))),
            "hired_on": dice.days(-3_000, 3_900),
            "left_on": dice.sometimes_null(0.85, dice.days(900, 190)),
        }
    )


def _exemptions(employees: pa.Table) -> pa.Table:
    dice = _Dice(4, EXEMPTIONS)
    who = employees.take(dice.whole(employees.num_rows))
    reasons = (
        "Doctor's note",
        'Works council: "ok"',
        "=1+1 approvals",
        "Formation à l'étranger,\n2 semaines",
        "夜勤免除",
    )
    return pa.table(
        {
            "id": _numbers(1, EXEMPTIONS),
            "organisation_id": who["organisation_id"],
            "company_id": who["company_id"],
            "operational_scope_id": who["operational_scope_id"],
            "employee_id": who["id"],
            "kind": dice.pick(EXEMPTION_KINDS),
            "reason": dice.sometimes_null(0.2, dice.pick(reasons)),
            "starts_on": dice.days(0, 900),
            "ends_on": dice.sometimes_null(0.3, dice.days(900, 300)),
            "approved": dice.chance(0.8),
        }
    )


class _Dice:
    """Columns of ``count`` random values; the same seed gives the same columns in the same order of asking."""

    def __init__(self, seed: int, count: int) -> None:
        self._seed = seed * 1_000
        self._count = count

    def draw(self) -> pa.Array:
        """Floats from 0 to 1, 1 left out."""
        self._seed += 1
        return pc.random(self._count, initializer=self._seed)

    def whole(self, bound: int) -> pa.Array:
        """Integers from 0 to ``bound``, ``bound`` left out."""
        return pc.cast(pc.floor(pc.multiply(self.draw(), float(bound))), pa.int64())

    def pick(self, values: Sequence[str]) -> pa.Array:
        """Some of ``values``."""
        return pa.array(values, pa.string()).take(self.whole(len(values)))

    def chance(self, probability: float) -> pa.Array:
        """Booleans, true with ``probability``."""
        return pc.less(self.draw(), probability)

    def sometimes_null(self, probability: float, column: pa.Array) -> pa.Array:
        """``column`` with some values left out."""
        return pc.if_else(self.chance(probability), pa.scalar(None, column.type), column)

    def moments(self, first: int, span: int) -> pa.Array:
        """Time stamps in UTC, from ``first`` microseconds after the first day on."""
        return _moment(pc.add(self.whole(span), first))

    def days(self, first: int, span: int) -> pa.Array:
        """Dates, from ``first`` days after the first day on."""
        return pc.cast(pc.cast(pc.add(self.whole(span), first + _HEAD_DAY), pa.int32()), pa.date32())


def _numbers(first: int, count: int) -> pa.Array:
    return pa.array(range(first, first + count), pa.int64())


def _text(column: pa.Array) -> pa.Array:
    return pc.cast(column, pa.string())


def _join(*pieces: pa.Array | str) -> pa.Array:
    return pc.binary_join_element_wise(*[pa.scalar(p) if isinstance(p, str) else p for p in pieces], "")


def _remainder_is(rows: pa.Array, divisor: int, remainder: int) -> pa.Array:
    return pc.equal(pc.subtract(rows, pc.multiply(pc.divide(rows, divisor), divisor)), remainder)


def _decimal(cents: pa.Array) -> pa.Array:
    hundredth = pa.scalar("0.01").cast(pa.decimal128(3, 2))
    return pc.multiply(pc.cast(cents, pa.decimal128(19, 0)), hundredth).cast(pa.decimal128(12, 2))


def _moment(microseconds: pa.Array) -> pa.Array:
    start = int(_FIRST_DAY.timestamp()) * _MICROSECONDS
    return pc.cast(pc.add(microseconds, start), pa.timestamp("us", "UTC"))


def _starts(counts: dict[str, int]) -> dict[str, int]:
    starts, total = {}, 0
    for tenant, count in counts.items():
        starts[tenant] = total
        total += count
    return starts


def _by_tenant(tenants: pa.Array, values: dict[str, int]) -> pa.Array:
    place = pc.index_in(tenants, pa.array(list(values)))
    return pa.array(list(values.values()), pa.int64()).take(place)


def _uuids(seed: int, count: int) -> pa.Array:
    digits = random.Random(seed).randbytes(16 * count).hex().encode()
    hexadecimal = pa.Array.from_buffers(pa.binary(32), count, [None, pa.py_buffer(digits)]).cast(pa.binary())
    text = hexadecimal.cast(pa.string())
    pieces = [pc.utf8_slice_codeunits(text, a, b) for a, b in ((0, 8), (8, 12), (13, 16), (17, 20), (20, 32))]
    return _join(pieces[0], "-", pieces[1], "-4", pieces[2], "-a", pieces[3], "-", pieces[4])
