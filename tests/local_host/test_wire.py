"""Frames between host and workers."""

from __future__ import annotations

import socket

from hypothesis import given, settings
from hypothesis import strategies as st

from local_host.wire import FrameReader, encode, read_frame

HEADERS = st.dictionaries(st.text(max_size=5), st.one_of(st.text(max_size=20), st.integers(), st.none()), max_size=3)
FRAMES = st.lists(st.tuples(HEADERS, st.binary(max_size=200)), max_size=6)


@settings(max_examples=60, deadline=None)
@given(frames=FRAMES, cuts=st.lists(st.integers(1, 60), min_size=1, max_size=20))
def test_frames_come_out_as_they_went_in(frames: list[tuple[dict[str, object], bytes]], cuts: list[int]) -> None:
    """However the bytes are cut on their way."""
    data = b"".join(encode(header, body) for header, body in frames)
    reader, position, found, turn = FrameReader(), 0, [], 0
    while position < len(data):
        size = cuts[turn % len(cuts)]
        found += list(reader.feed(data[position : position + size]))
        position += size
        turn += 1
    assert found == frames


def test_blocking_side() -> None:
    """Frames are read whole; the end of the stream is None, in the middle of a frame too."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(encode({"t": "a", "ü": "ß"}, b"\0body") + encode({"t": "b"}) + encode({"t": "c"})[:-1])
        ours.close()
        assert read_frame(theirs) == ({"t": "a", "ü": "ß"}, b"\0body")
        assert read_frame(theirs) == ({"t": "b"}, b"")
        assert read_frame(theirs) is None
        assert read_frame(theirs) is None
