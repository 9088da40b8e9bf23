"""A database that cannot be interrupted, in a process of its own that can be ended.

SQLite's driver has no way to stop a statement. So what must be over by a deadline is done in a child process, which is
killed then. Children are kept for the next question, each at most one at a time. Both ends send pickles, each after its
length in eight bytes; nobody else can write to these pipes. A child ends when its parent does.
"""

import atexit
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from shared.errors import SluiceError, SourceUnavailable
from shared.sources.deadline import Deadline

_MOST_IDLE = 2
_LENGTH_BYTES = 8
_NICE = 10
"""Counting is on this machine's processors: what answers requests goes first."""


class _Child:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
            start_new_session=True,  # an interrupt of the terminal is for the parent
        )

    def ask(self, question: object) -> Any:
        """The answer. Raises ``EOFError`` or ``OSError`` when the child ends before it has given one."""
        if self._process.stdin is None or self._process.stdout is None:
            raise EOFError
        _send(self._process.stdin, question)
        return _receive(self._process.stdout)

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        """Kill it, and leave nothing of it behind."""
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue
        self._process.wait()


_idle: list[_Child] = []
_turn = threading.Lock()


def ask(deadline: Deadline, work: Callable[..., Any], *arguments: Any) -> Any:
    """What ``work(*arguments)`` gives in a child. Raises what it raises, and ``TookTooLong`` once it was killed."""
    if deadline.left <= 0:
        raise deadline.passed()
    child = _taken()
    timer = threading.Timer(deadline.left, child.kill)
    timer.daemon = True
    timer.start()
    answered = False
    try:
        error, result = child.ask((work, arguments))
        answered = deadline.left > 0  # else it is killed at any moment
    except (EOFError, OSError):
        if deadline.left <= 0:
            raise deadline.passed() from None
        raise SourceUnavailable("the process that reads the database has ended") from None
    finally:
        timer.cancel()
        _put_back(child, answered)
    if error is not None:
        raise error
    return result


def _taken() -> _Child:
    with _turn:
        while _idle:
            child = _idle.pop()
            if child.lives:
                return child
            child.end()
    return _Child()


def _put_back(child: _Child, answered: bool) -> None:
    with _turn:
        if answered and len(_idle) < _MOST_IDLE:
            _idle.append(child)
            return
    child.end()


@atexit.register
def _end_all() -> None:
    while _idle:
        _idle.pop().end()


def _send(pipe: IO[bytes], value: object) -> None:
    data = pickle.dumps(value)
    pipe.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> Any:
    length = pipe.read(_LENGTH_BYTES)
    if len(length) < _LENGTH_BYTES:
        raise EOFError
    data = pipe.read(int.from_bytes(length, "big"))
    return pickle.loads(data)  # noqa: S301 - between a process and its own child


def serve() -> None:
    """Answer questions for as long as the parent is there."""
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    if hasattr(os, "nice"):
        os.nice(_NICE)
    questions: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def listen() -> None:
        try:
            while True:
                questions.put(_receive(sys.stdin.buffer))
        except EOFError:
            os._exit(0)  # the parent is gone, whatever the database does

    threading.Thread(target=listen, daemon=True).start()
    while True:
        work, arguments = questions.get()
        try:
            answer: tuple[Exception | None, Any] = (None, work(*arguments))
        except SluiceError as error:
            answer = (error, None)
        except Exception as error:  # noqa: BLE001 - raised in the parent
            answer = (RuntimeError(f"{type(error).__name__}: {error}"), None)
        _send(answers, answer)
