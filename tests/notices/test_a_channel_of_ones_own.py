"""The channel that docs/how-to/channels.md adds: what stands there works as it stands there."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shared.errors import PermanentError, TransientError
from shared.notifications.channels.base import Channel, Message

ROOT = Path(__file__).resolve().parents[2]
FILE, LINE = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "how-to" / "channels.md").read_text(), re.DOTALL)

MESSAGE = Message(
    operation_id="op",
    recipient="ada@acme.example",
    recipient_name="Ada <b>",
    subject="s",
    text="t",
    html="h",
    summary="Your export 'Sessions' is ready.",
)


@pytest.fixture
def slack() -> Iterator[SimpleNamespace]:
    """A server in Slack's place: what it was sent, and what it answers."""
    state = SimpleNamespace(sent=[], status=200, url="")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(state.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}/services/x"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield state
        server.shutdown()
        thread.join()


def channel(url: str) -> Channel:
    """The documented class."""
    names: dict[str, Any] = {}
    exec(compile(FILE, "docs/how-to/channels.md", "exec"), names)
    made: Channel = names["SlackChannel"](SimpleNamespace(slack_webhook_url=url))
    return made


def test_it_says_the_sentence(slack: SimpleNamespace) -> None:
    """With the markup in a name escaped."""
    channel(slack.url).send(MESSAGE, tried_before=False)
    assert slack.sent == [{"text": "Ada &lt;b&gt;: Your export 'Sessions' is ready."}]


@pytest.mark.parametrize(("status", "error"), [(429, TransientError), (500, TransientError), (404, PermanentError)])
def test_it_tells_what_may_pass(slack: SimpleNamespace, status: int, error: type[Exception]) -> None:
    """From what will not."""
    slack.status = status
    with pytest.raises(error, match=str(status)):
        channel(slack.url).send(MESSAGE, tried_before=False)


def test_a_service_that_is_away_may_come_back() -> None:
    """It is tried again."""
    with pytest.raises(TransientError, match="cannot be reached"):
        channel("http://127.0.0.1:9/").send(MESSAGE, tried_before=False)


def test_its_line_is_all_that_the_api_needs() -> None:
    """The switch is there for requests and preferences; a wrong name is answered with all that there are."""
    script = f"""
        from shared.notifications import channels
        from shared.errors import ValidationFailed
        SlackChannel = None
        channels.CHANNELS = {{**channels.CHANNELS, {LINE.strip()}}}
        from shared.requests.export_request import Notify, parse_body, parse_request
        print(parse_request(b'{{"exportType": "x", "notify": {{"slack": true}}}}').notify.wants("slack"))
        print("slack" in Notify.model_json_schema()["properties"])
        try:
            parse_body(Notify, b'{{"slak": true}}', "")
        except ValidationFailed as failed:
            print(failed)
    """
    lines = [line.removeprefix("        ") for line in script.splitlines()]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    known = "graceSeconds, afterSeconds, onFailure, beforeExpiry, email, inApp, slack"
    refusal = f"slak: unknown field 'slak'; did you mean 'slack'? known: {known}"
    assert done.stdout.splitlines() == ["True", "True", refusal], done.stderr
