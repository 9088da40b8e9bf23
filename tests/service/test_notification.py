"""The mail: sent once when it is news, skipped with the reason in the log when it is not."""

import hashlib
import re
from collections.abc import Callable
from typing import Any

import jwt
import pytest
import requests

from demo.stack import Stack
from tests.service.conftest import People

Export = Callable[..., dict[str, Any]]


def ending(people: People, export_id: str) -> dict[str, Any]:
    """The log line that tells what became of the mail."""
    return people.ada.wait_for_log(export_id, "mail-sent", "mail-skipped")


def mails_about(people: People, status: dict[str, Any]) -> list[dict[str, Any]]:
    """The mails in the outbox that mention the file."""
    items = people.ada.call("GET", "/dev/outbox").json()["items"]
    return [mail for mail in items if status["file"]["name"] in mail["text"]]


@pytest.fixture(scope="module")
def mailed(people: People) -> dict[str, Any]:
    """The status of an export that nobody downloaded, and whose mail is out."""
    body = {"exportType": "analytics", "fileName": "Mailed ü", "notify": {"email": True}}
    status = people.ada.wait(people.ada.start(**body))
    assert ending(people, status["id"])["action"] == "mail-sent"
    return status


def link_in(mail: dict[str, Any]) -> str:
    """The landing link, the same in both halves of the mail."""
    (link,) = re.findall(r"http\S+", mail["text"])
    assert f'href="{link}"' in mail["html"]
    return link


def test_a_downloaded_export_sends_no_mail(people: People, export: Export) -> None:
    """The log says why; the mail that waited is called off."""
    status = export(exportType="analytics", fileName="downloaded", notify={"email": True})
    people.ada.wait_for_log(status["id"], "mail-waits")
    assert people.ada.call("GET", f"/exports/{status['id']}/download").status_code == 302
    line = ending(people, status["id"])
    assert (line["action"], line["message"]) == ("mail-skipped", "No mail: the file was downloaded.")
    assert mails_about(people, status) == []


def test_a_look_with_head_does_not_call_the_mail_off(people: People, export: Export) -> None:
    """Only a download does."""
    status = export(exportType="analytics", fileName="only looked at", notify={"email": True})
    people.ada.call("HEAD", f"/exports/{status['id']}/download")
    assert ending(people, status["id"])["action"] == "mail-sent"
    assert len(mails_about(people, status)) == 1


def test_an_export_that_nobody_fetches_brings_one_mail(people: People, mailed: dict[str, Any]) -> None:
    """To who asked, in text and HTML, with the facts, and without data or a key to the storage."""
    (mail,) = mails_about(people, mailed)
    assert (mail["to"], mail["subject"]) == ("ada@acme.example", "Your export 'Analytics' is ready")
    for half in (mail["text"], mail["html"]):
        assert "Mailed ü.csv" in half
        assert f"{mailed['file']['rows']:,} rows" in half
        assert "sig=" not in half
        assert "127.0.0.1:1" not in half.replace(people.api, "")
    actions = [line["action"] for line in people.ada.logs(mailed["id"])]
    assert [a for a in actions if a.startswith("mail")] == ["mail-waits", "mail-sent"]


def test_looking_at_the_landing_page_changes_nothing(people: People, mailed: dict[str, Any]) -> None:
    """Link scanners GET every link: twice is as good as never, and there is a button for a person."""
    link = link_in(mails_about(people, mailed)[0])
    before = people.ada.logs(mailed["id"])
    for _ in range(2):
        page = requests.get(link, timeout=30)
        assert page.status_code == 200
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert '<form method="post">' in page.text
        assert "Mailed ü.csv" in page.text
        assert re.search(r"until \d\d \w+ \d{4}, \d\d:\d\d UTC", page.text)
        assert "sig=" not in page.text
    assert requests.head(link, timeout=30).status_code == 200
    assert people.ada.logs(mailed["id"]) == before
    assert people.ada.call("GET", f"/exports/{mailed['id']}").json()["downloadedAt"] is None


def test_the_button_of_the_landing_page_leads_to_the_file(people: People, export: Export) -> None:
    """POST redirects to the file with GET, and marks the export as downloaded."""
    status = export(exportType="analytics", fileName="by the button", notify={"email": True})
    ending(people, status["id"])
    link = link_in(mails_about(people, status)[0])
    answer = requests.post(link, timeout=30, allow_redirects=False)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (303, "no-store")
    data = requests.get(answer.headers["Location"], timeout=30).content
    assert hashlib.sha256(data).hexdigest() == status["file"]["sha256"]
    assert people.ada.call("GET", f"/exports/{status['id']}").json()["downloadedAt"] is not None
    assert people.ada.logs(status["id"])[-1]["message"] == "Somebody with the link from the mail downloaded the file."


def test_a_link_that_is_not_ours_is_a_friendly_404(people: People, mailed: dict[str, Any], service: Stack) -> None:
    """Cut short, changed, or signed for something else; and never an export."""
    link = link_in(mails_about(people, mailed)[0])
    key = (service.home / "signing-key").read_text()
    token = str(people.ada._session.headers["Authorization"]).partition(" ")[2]
    base = link.rpartition("/")[0]
    other = jwt.encode({"sub": mailed["id"], "tenant": "acme", "aud": "else", "exp": 2**33}, key, algorithm="HS256")
    for wrong in (link[:-5], f"{base}/x", f"{base}/{token}", f"{base}/{other}", f"{base}/<script>"):
        for method in ("GET", "POST"):
            page = requests.request(method, wrong, timeout=30, allow_redirects=False)
            assert page.status_code == 404
            assert "this link is not one of ours" in page.text
            assert "<script>" not in page.text


def test_a_link_outlives_its_export_politely(people: People, service: Stack) -> None:
    """410: the export is gone, or the link is too old."""
    key = (service.home / "signing-key").read_text()
    for claims in ({"sub": "nobody", "exp": 2**33}, {"sub": "nobody", "exp": 1}):
        token = jwt.encode({**claims, "tenant": "acme", "aud": "sluice-landing"}, key, algorithm="HS256")
        page = requests.get(f"{people.api}/d/{token}", timeout=30)
        assert page.status_code == 410
        assert "ask for" in page.text


def test_a_quick_export_sends_no_mail(people: People, export: Export) -> None:
    """Unless it is asked for: who gets the file at once needs no mail."""
    status = export(exportType="analytics", fileName="quick")
    line = ending(people, status["id"])
    assert line["action"] == "mail-skipped"
    assert re.fullmatch(r"No mail: the export took \d+ s, quicker than 45 s\.", line["message"])
    assert mails_about(people, status) == []


def test_a_mail_that_is_switched_off_is_not_sent(people: People, export: Export) -> None:
    """The log says who wanted it so."""
    status = export(exportType="analytics", fileName="off", notify={"email": False})
    assert ending(people, status["id"])["message"] == "No mail: the request switched it off."
    assert mails_about(people, status) == []


def test_a_title_cannot_smuggle_a_header_into_a_mail(people: People, export: Export) -> None:
    """Line breaks in a file's name end in the text, as an underscore."""
    name = "x\r\nBcc: everybody@example.com\r\n\r\n<b>hello</b>"
    status = export(exportType="analytics", fileName=name, notify={"email": True})
    ending(people, status["id"])
    (mail,) = mails_about(people, status)
    assert mail["to"] == "ada@acme.example"
    assert "x_Bcc_ everybody@example.com_b_hello_" in mail["text"]
    assert "<b>" not in mail["html"]


def test_the_outbox_can_be_emptied(people: People, mailed: dict[str, Any]) -> None:
    """For the next try; oldest mail first until then."""
    items = people.ada.call("GET", "/dev/outbox").json()["items"]
    assert [m["time"] for m in items] == sorted(m["time"] for m in items)
    assert len(items) >= 1
    assert people.ada.call("DELETE", "/dev/outbox").status_code == 204
    assert people.ada.call("GET", "/dev/outbox").json() == {"items": []}
