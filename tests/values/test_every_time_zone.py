"""Every time zone on both sides of each of its changes of clocks, as Python's zoneinfo has them."""

import struct
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo, available_timezones

import pyarrow as pa
import pytest

from shared.catalog.column_types import column_type
from shared.formats.scalars import TextStyle, scalar_text
from shared.requests.export_request import check_time_zone

FIRST, LAST = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (1884, 2101))
ZONES = sorted(zone for zone in available_timezones() if not list(check_time_zone(zone)))
SHARE = 8


def changes(zone: str) -> list[int]:
    """The changes that the zone's file spells out (RFC 8536, section 3), in seconds since 1970."""
    data = next(path for folder in TZPATH if (path := Path(folder, zone)).exists()).read_bytes()
    counts = struct.unpack(">6L", data[20:44])
    isutcnt, isstdcnt, leapcnt, timecnt, typecnt, charcnt = counts
    start = 44 + timecnt * 5 + typecnt * 6 + charcnt + leapcnt * 8 + isstdcnt + isutcnt
    (many,) = struct.unpack(">L", data[start + 32 : start + 36])
    return list(struct.unpack(f">{many}q", data[start + 44 : start + 44 + 8 * many]))


def later_changes(zone: ZoneInfo) -> list[int]:
    """Those of the years that the file gives a rule for: found between the middles of months."""
    found = []
    months = [datetime(year, month, 15, tzinfo=UTC) for year in (2037, 2038, 2099, 2100) for month in range(1, 13)]
    for before, after in pairwise(months):
        low, high = int(before.timestamp()), int(after.timestamp())
        offset = datetime.fromtimestamp(low, zone).utcoffset()
        if after - before > timedelta(32) or datetime.fromtimestamp(high, zone).utcoffset() == offset:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if datetime.fromtimestamp(middle, zone).utcoffset() == offset else (low, middle)
        found.append(high)
    return found


def expected(instant: int, zone: ZoneInfo) -> str:
    """Wall time with an offset of whole minutes."""
    offset = datetime.fromtimestamp(instant, zone).utcoffset() or timedelta()
    minutes = round(offset / timedelta(minutes=1))
    wall = datetime.fromtimestamp(instant, UTC) + timedelta(minutes=minutes)
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    return f"{wall:%Y-%m-%d %H:%M:%S}{sign}{hours:02}:{rest:02}"


@pytest.mark.parametrize("share", range(SHARE))
def test_every_time_zone_at_each_of_its_changes(share: int) -> None:
    """From 1884 to 2100, a second before, at the change, and a second after."""
    checked = 0
    for name in ZONES[share::SHARE]:
        zone = ZoneInfo(name)
        at = {change for change in (*changes(name), *later_changes(zone)) if FIRST <= change < LAST}
        instants = sorted({change + step for change in at for step in (-1, 0, 1)} | {FIRST, LAST - 1})
        column = pa.array([instant * 1_000_000 for instant in instants], pa.timestamp("us", "UTC"))
        found = scalar_text(column, column_type("timestamp"), TextStyle(name)).to_pylist()
        assert [text.replace("Z", "+00:00") for text in found] == [expected(instant, zone) for instant in instants], (
            name
        )
        checked += len(at)
    assert checked > 1_000
