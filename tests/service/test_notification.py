"""The mail: sent once when it is news, skipped with the reason in the log when it is not."""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import jwt
import pytest
import requests
from azure.data.tables import TableServiceClient

from demo.stack import Stack
from shared.identity.own_tokens import key_id
from shared.jobs.records import ExportRecord, ExportRecords
from shared.storage.links import Link, Links, token_hash
from shared.timestamps import iso, utc_now
from tests.service.conftest import People
from tests.service.mail_links import link_in, look, press, signed_link
from tests.service.problems import assert_problem

Export = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class Storage:
    """The service's tables, behind its back; and links to any export."""

    records: ExportRecords
    links: Links
    base_url: str
    key: str

    def record(self, export_id: str) -> ExportRecord:
        """An export of acme's."""
        found = self.records.get("acme", export_id)
        assert found is not None
        return found

    def link(self, record: ExportRecord, key: str = "") -> str:
        """A new link to an export, as a mail would have it; ``key`` is the id of the key that made it."""
        token = secrets.token_urlsafe(24)
        person, now, made_with = record.created_by, iso(utc_now()), key or key_id(self.key)
        about = (record.tenant, record.id, token_hash(token))
        self.links.keep(Link(*about, person, "email", "completed", 1, now, made_with))
        return f"{self.base_url}/api/d#{token}"

    def signed_link(self, record: ExportRecord) -> str:
        """A link as older releases made them."""
        return signed_link(self.base_url, record.tenant, record.id, 1, self.key)


@pytest.fixture(scope="module")
def storage(service: Stack) -> Storage:
    """The service's tables."""
    tables = TableServiceClient.from_connection_string(service.storage)
    key = (service.home / "signing-key").read_text()
    return Storage(ExportRecords(tables), Links(tables), service.base_url, key)


def ending(people: People, export_id: str) -> dict[str, Any]:
    """The log line that tells what became of the mail."""
    return people.ada.wait_for_log(export_id, "mail-sent", "mail-skipped")


def mails_about(people: People, status: dict[str, Any]) -> list[dict[str, Any]]:
    """The mails in the outbox that mention the file."""
    items = people.ada.call("GET", "/dev/outbox").json()["items"]
    return [mail for mail in items if status["file"]["name"] in mail["text"]]


@pytest.fixture
def export(people: People) -> Export:
    """Ask for an export as a user (ada) and wait for its end without that user's looking; gives the status resource."""

    def run(user: str = "ada", **body: Any) -> dict[str, Any]:
        return people.sam.wait(people[user].start(**body), seconds=60, every=0.05)

    return run


@pytest.fixture(scope="module")
def mailed(people: People) -> dict[str, Any]:
    """The status of an export that nobody downloaded, and whose mail is out."""
    body = {"exportType": "analytics", "fileName": "Mailed ü", "notify": {"email": True, "graceSeconds": 0}}
    status = people.sam.wait(people.ada.start(**body))
    assert ending(people, status["id"])["action"] == "mail-sent"
    return status


def test_a_downloaded_export_sends_no_mail(people: People, export: Export) -> None:
    """The log says why; the mail that waited is called off."""
    status = export(exportType="analytics", fileName="downloaded", notify={"email": True, "graceSeconds": 3600})
    people.ada.wait_for_log(status["id"], "mail-waits")
    assert people.ada.call("GET", f"/exports/{status['id']}/download").status_code == 302
    line = ending(people, status["id"])
    assert (line["action"], line["message"]) == ("mail-skipped", "No mail: the file was downloaded.")
    assert mails_about(people, status) == []


def test_a_look_with_head_does_not_call_the_mail_off(people: People, export: Export) -> None:
    """Only a download does."""
    status = export(exportType="analytics", fileName="only looked at", notify={"email": True, "graceSeconds": 1})
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
    """Link scanners GET every link: twice is as good as never; what the page's script asks changes nothing either."""
    link = link_in(mails_about(people, mailed)[0])
    before = people.ada.logs(mailed["id"])
    for _ in range(2):
        static = requests.get(link, timeout=30)
        page = look(link)
        assert "Mailed" not in static.text
        assert (static.status_code, page.status_code) == (200, 200)
        for answer in (static, page):
            assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cache-Control"] == "no-store"
        assert "<button" in page.text
        assert "Mailed ü.csv" in page.text
        assert re.search(r"until \w+ \d+, \d{4}, \d\d:\d\d \(UTC\)", page.text)
        assert "sig=" not in page.text
    assert requests.head(link, timeout=30).status_code == 200
    assert people.ada.logs(mailed["id"]) == before
    assert people.ada.call("GET", f"/exports/{mailed['id']}").json()["downloadedAt"] is None


def test_the_button_of_the_landing_page_leads_to_the_file(people: People, export: Export) -> None:
    """It gets a URL of the file, and marks the export as downloaded; the audit log tells which link was used."""
    status = export(exportType="analytics", fileName="by the button", notify={"email": True, "graceSeconds": 0})
    ending(people, status["id"])
    link = link_in(mails_about(people, status)[0])
    answer = press(link)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    data = requests.get(answer.json()["url"], timeout=30).content
    assert hashlib.sha256(data).hexdigest() == status["file"]["sha256"]
    assert people.ada.call("GET", f"/exports/{status['id']}").json()["downloadedAt"] is not None
    assert people.ada.logs(status["id"])[-1]["message"] == "Somebody with the link from the mail downloaded the file."
    (sent,) = people.ada.call("GET", f"/exports/{status['id']}/links").json()["items"]
    query = {"exportId": status["id"], "action": "downloaded"}
    (entry,) = people.ada.call("GET", "/ops/audit", params=query).json()["items"]
    assert (entry["user"], entry["subject"], entry["status"]) == ("link", f"link {sent['id']}", 200)


def test_a_link_that_is_not_ours_is_a_friendly_404(people: People, mailed: dict[str, Any], service: Stack) -> None:
    """Cut short, changed, signed for something else, or meant to switch mail off; and a new token is none in a path."""
    mail = mails_about(people, mailed)[0]
    page, _, token = link_in(mail).partition("#")
    key = (service.home / "signing-key").read_text()
    login = str(people.ada._session.headers["Authorization"]).partition(" ")[2]
    other = jwt.encode({"sub": mailed["id"], "tenant": "acme", "aud": "else", "exp": 2**33}, key, algorithm="HS256")
    (unsubscribe,) = re.findall(r"/unsubscribe/(\S+)", mail["text"])
    wrong = (token[:-5], "x", login, other, unsubscribe, "<script>")
    answers = [ask(f"{page}#{one}") for one in wrong for ask in (look, press)]
    for method in ("GET", "POST"):
        answers += [requests.request(method, f"{page}/{one}", timeout=30) for one in (*wrong, token)]
    for answer in answers:
        assert answer.status_code == 404
        assert "This link leads nowhere" in answer.text
        assert "<script>" not in answer.text


def test_without_a_token_nothing_is_asked(people: People) -> None:
    """A scanner that sends an empty POST, or none of it, is told what is valid."""
    for body in (b"", b"{}", b'{"token": ""}', b'{"token": 5}', b"token=x"):
        answer = requests.post(f"{people.api}/link/file", data=body, timeout=30)
        assert answer.status_code == 400
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert requests.post(f"{people.api}/d", timeout=30).status_code == 405


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
    status = export(exportType="analytics", fileName=name, notify={"email": True, "graceSeconds": 0})
    ending(people, status["id"])
    (mail,) = mails_about(people, status)
    assert mail["to"] == "ada@acme.example"
    assert "x_Bcc_ everybody@example.com_b_hello_" in mail["text"]
    assert "<b>" not in mail["html"]


SEEN = "No mail: who asked has seen it."


@pytest.mark.parametrize("path", ["/exports/{}", "/operations/{}"])
def test_who_looks_at_the_status_needs_no_mail(people: People, export: Export, path: str) -> None:
    """A look by who asked, once the export has ended; the waiting mail is called off at once."""
    status = export(exportType="analytics", fileName="seen", notify={"email": True, "graceSeconds": 3600})
    people.ada.wait_for_log(status["id"], "mail-waits")
    assert people.ada.call("GET", path.format(status["id"])).status_code == 200
    assert ending(people, status["id"])["message"] == SEEN
    assert mails_about(people, status) == []


def test_a_look_before_the_mail_is_planned_counts_too(people: People) -> None:
    """Who polls until the end is there when it comes."""
    status = people.ada.wait(people.ada.start(exportType="analytics", notify={"email": True}), every=0.01)
    assert ending(people, status["id"])["message"] == SEEN


def test_others_and_programs_that_ask_for_headers_do_not_see_it_for_you(people: People, export: Export) -> None:
    """Neither an Admin's look at somebody's export nor HEAD calls the mail off."""
    status = export("max", exportType="employees", fileName="not seen", notify={"email": True, "graceSeconds": 1})
    people.ada.call("GET", f"/exports/{status['id']}")
    people.max.call("HEAD", f"/exports/{status['id']}")
    assert ending(people, status["id"])["action"] == "mail-sent"


def test_a_mail_in_the_language_and_time_zone_of_who_asked(people: People, export: Export) -> None:
    """Max reads French; the request says where he is."""
    body = {"fileName": "Employés", "timeZone": "Europe/Paris", "notify": {"email": True, "graceSeconds": 0}}
    status = export("max", exportType="employees", **body)
    ending(people, status["id"])
    (mail,) = mails_about(people, status)
    assert mail["subject"] == "Votre export « Employés » est prêt"
    assert re.search(r"jusqu’au \d+ \w+ \d{4}, \d\d:\d\d \(Europe/Paris\)", mail["text"])
    page = look(link_in(mail))
    assert '<html lang="fr">' in page.text
    assert "Télécharger" in page.text


@pytest.fixture
def own_preferences(people: People) -> Iterator[Callable[..., None]]:
    """Change what bea prefers; as it was afterwards."""

    def prefer(**choices: Any) -> None:
        assert people.bea.call("PUT", "/preferences", json=choices).status_code == 200

    yield prefer
    prefer()


Prefer = Callable[..., None]


def test_preferences_are_what_was_put(people: People, own_preferences: Prefer) -> None:
    """All of them; null where the export type decides. Everybody has their own, and they come with an entity tag."""
    nothing = dict.fromkeys(["email", "inApp", "graceSeconds", "afterSeconds", "onFailure", "beforeExpiry"])
    assert people.bea.call("GET", "/preferences").json() == nothing
    own_preferences(graceSeconds=7, onFailure=False)
    answer = people.bea.call("GET", "/preferences")
    assert answer.json() == nothing | {"graceSeconds": 7, "onFailure": False}
    assert people.ada.call("GET", "/preferences").json() == nothing
    again = people.bea.call("GET", "/preferences", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_wrong_preferences_are_named(people: People) -> None:
    """What was received and what is valid."""
    body = {"email": "yes", "graceSeconds": -1, "fax": True}
    assert_problem(
        people.bea.call("PUT", "/preferences", json=body),
        "validation-failed",
        email="valid boolean",
        graceSeconds="greater than or equal to 0, got -1",
        fax="unknown field 'fax'",
    )


@pytest.mark.parametrize(
    ("preferred", "asked", "message"),
    [
        ({"email": False}, {"email": True}, "No mail: the user switched it off."),
        ({"email": True}, {"email": False}, "No mail: the request switched it off."),
        ({"afterSeconds": 0, "graceSeconds": 0}, {}, "Sent the mail."),
        ({"afterSeconds": 0, "graceSeconds": 3600}, {"graceSeconds": 0}, "Sent the mail."),
        ({"afterSeconds": 0}, {"afterSeconds": 3600, "graceSeconds": 0}, "quicker than 3600 s."),
    ],
    ids=str,
)
def test_the_request_goes_before_the_preferences_and_a_no_before_all(
    people: People, export: Export, own_preferences: Prefer, preferred: Any, asked: Any, message: str
) -> None:
    """The export type's word comes last."""
    own_preferences(**preferred)
    status = export("bea", exportType="users", columns=["id"], notify=asked)
    line = people.bea.wait_for_log(status["id"], "mail-sent", "mail-skipped")
    assert line["message"].endswith(message)


def headers_of(service: Stack, mail: dict[str, Any]) -> Any:
    """The headers of a mail in the outbox, as a mail program reads them."""
    data = (service.home / "outbox" / f"{mail['operationId']}.eml").read_bytes()
    return message_from_bytes(data, policy=policy.default)


@pytest.mark.parametrize("form", ["urlencoded", "multipart"])
def test_list_unsubscribe_works_and_only_with_a_click(
    people: People, export: Export, service: Stack, own_preferences: Prefer, form: str
) -> None:
    """RFC 8058: looking changes nothing; one POST, by whatever mail program, and the next export brings no mail."""
    own_preferences(afterSeconds=0, graceSeconds=0)
    status = export("bea", exportType="users", fileName=f"unsubscribe {form}", notify={"inApp": True})
    people.bea.wait_for_log(status["id"], "mail-sent")
    (mail,) = mails_about(people, status)
    headers = headers_of(service, mail)
    url = headers["List-Unsubscribe"].removeprefix("<").removesuffix(">")
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert url in mail["text"]
    assert url in mail["html"]

    for method in ("GET", "GET", "HEAD", "POST"):
        page = requests.request(method, url, headers={"Sec-Purpose": "prefetch"}, timeout=30)
        assert page.status_code == (400 if method == "POST" else 200)
        assert method == "HEAD" or 'value="One-Click"' in page.text
    assert people.bea.call("GET", "/preferences").json()["email"] is None
    assert requests.post(url[:-4], data={"List-Unsubscribe": "One-Click"}, timeout=30).status_code == 404

    data = {"List-Unsubscribe": "One-Click"}
    sent: Any = {"data": data} if form == "urlencoded" else {"files": {n: (None, v) for n, v in data.items()}}
    page = requests.post(url, timeout=30, allow_redirects=False, **sent)
    assert (page.status_code, "no more mails" in page.text) == (200, True)
    assert people.bea.call("GET", "/preferences").json() | {"email": False, "afterSeconds": 0} == (
        people.bea.call("GET", "/preferences").json()
    )
    query = {"action": "changed", "user": "link"}
    entry = people.bea.call("GET", "/ops/audit", params=query).json()["items"][0]
    assert (entry["subject"], entry["status"]) == ("mails to bea switched off", 200)
    status = export("bea", exportType="users", fileName="after it", notify={"email": True})
    line = people.bea.wait_for_log(status["id"], "mail-sent", "mail-skipped")
    assert line["message"] == "No mail: the user switched it off."


def test_who_unsubscribes_while_a_mail_waits_does_not_get_it(
    people: People, export: Export, own_preferences: Prefer
) -> None:
    """What holds is looked up again when the mail would go out."""
    status = export("bea", exportType="users", notify={"email": True, "graceSeconds": 2})
    people.bea.wait_for_log(status["id"], "mail-waits")
    own_preferences(email=False)
    line = people.bea.wait_for_log(status["id"], "mail-sent", "mail-skipped")
    assert line["message"] == "No mail: the user switched it off."


def as_a_scanner(link: str) -> None:
    """What programs do that look at the links in mails before people do."""
    for headers in ({}, {}, {"Range": "bytes=0-99"}, {"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "preview"}):
        assert requests.get(link, headers=headers, timeout=30, allow_redirects=False).status_code == 200
    assert requests.head(link, timeout=30, allow_redirects=False).status_code == 200
    assert requests.options(link, timeout=30, allow_redirects=False).status_code == 204


def runs(page: requests.Response) -> bool:
    """Whether the page runs a script: none but the one that its policy names by its hash. No other way is there."""
    scripts = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    rest = re.sub(r"<script>.*?</script>", "", page.text, flags=re.DOTALL)
    assert not re.search(r"<script|\son\w+=|javascript:|http-equiv|<iframe|<img|style=", rest, re.IGNORECASE)
    named = re.findall(r"'sha256-[^']+'", page.headers["Content-Security-Policy"])
    blocks = scripts + re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(block.encode()).digest()).decode() for block in blocks]
    assert sorted(named) == sorted(f"'sha256-{one}'" for one in hashes)
    return bool(scripts)


def test_scanners_change_nothing(people: People, export: Export) -> None:
    """Every link, every way; then the link still works for the person."""
    status = export(exportType="analytics", fileName="scanned", notify={"email": True, "graceSeconds": 0})
    ending(people, status["id"])
    mail = mails_about(people, status)[0]
    before = (people.sam.call("GET", f"/exports/{status['id']}").json(), people.ada.logs(status["id"]))
    notifications = people.ada.call("GET", "/notifications?limit=5").json()
    for link in re.findall(r'href="([^"]+)"', mail["html"]):
        as_a_scanner(link)
        page = requests.get(link, timeout=30)
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert runs(page) == ("#" in link)
    assert before == (people.sam.call("GET", f"/exports/{status['id']}").json(), people.ada.logs(status["id"]))
    assert people.ada.call("GET", "/notifications?limit=5").json() == notifications
    assert people.ada.call("GET", "/preferences").json()["email"] is None
    look(link_in(mail))
    assert before == (people.sam.call("GET", f"/exports/{status['id']}").json(), people.ada.logs(status["id"]))
    assert press(link_in(mail)).status_code == 200


def test_a_link_is_renewed_as_long_as_the_file_is_there(people: People, mailed: dict[str, Any]) -> None:
    """Each press gives a new URL, which can be read from the middle on."""
    link = link_in(mails_about(people, mailed)[0])
    urls = [press(link).json()["url"] for _ in range(2)]
    whole = requests.get(urls[0], timeout=30).content
    rest = requests.get(urls[1], headers={"Range": f"bytes={len(whole) - 10}-"}, timeout=30)
    assert (rest.status_code, rest.content) == (206, whole[-10:])
    assert hashlib.sha256(whole).hexdigest() == mailed["file"]["sha256"]


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"status": "Expired"}, 410, "could be downloaded until"),
        ({"expires_at": "2026-01-01T00:00:00.000Z"}, 410, "until January 1, 2026, 00:00 (UTC)"),
        ({"status": "Cancelled", "expires_at": ""}, 410, "was cancelled"),
        ({"links": 2}, 410, "was revoked"),
        ({"status": "Failed", "error_message": "no <b>space</b>."}, 409, "failed: no &lt;b&gt;space&lt;/b&gt;. Let"),
        ({"status": "Processing"}, 409, "is running"),
        (None, 410, "was deleted"),
    ],
    ids=str,
)
def test_the_landing_page_says_what_is_wrong(
    people: People, mailed: dict[str, Any], storage: Storage, changes: dict[str, str] | None, status: int, words: str
) -> None:
    """To look and to press alike, with a link of today and one of an older release; and it leads nowhere."""
    other = replace(storage.record(mailed["id"]), id="0" * 34, **(changes or {}))
    link, old = storage.link(other), storage.signed_link(other)
    if changes is not None:
        storage.records.create(other)
    try:
        pages = [look(link), press(link), *(requests.request(m, old, timeout=30) for m in ("GET", "HEAD", "POST"))]
        for page in pages:
            assert page.status_code == status
            assert page.request.method == "HEAD" or words in page.text
    finally:
        storage.records.delete(other)


def test_a_hold_keeps_the_file_for_the_link_too(people: People, mailed: dict[str, Any], storage: Storage) -> None:
    """As for the API: after its end, which the page does not name then."""
    record = storage.record(mailed["id"])
    held = replace(record, id="1" * 34, hold="a case", expires_at="2026-01-01T00:00:00.000Z")
    storage.records.create(held)
    try:
        link = storage.link(held)
        assert look(link).status_code == 200
        assert "2026" not in look(link).text
        assert press(link).status_code == 200
        assert people.ada.call("GET", f"/exports/{held.id}/download").status_code == 302
    finally:
        storage.records.delete(held)


def test_the_links_of_an_older_release_work(people: People, mailed: dict[str, Any], storage: Storage) -> None:
    """Signed, in the path: the page has a form, and the form gets the file. So does the link that switches mail off."""
    link = storage.signed_link(storage.record(mailed["id"]))
    page = requests.get(link, timeout=30)
    assert (page.status_code, runs(page)) == (200, False)
    assert '<form method="post">' in page.text
    answer = requests.post(link, timeout=30, allow_redirects=False)
    assert answer.status_code == 303
    data = requests.get(answer.headers["Location"], timeout=30).content
    assert hashlib.sha256(data).hexdigest() == mailed["file"]["sha256"]
    claims = {"sub": "nobody", "tenant": "acme", "aud": "sluice-unsubscribe"}
    off = f"{people.api}/unsubscribe/{jwt.encode(claims, storage.key, algorithm='HS256')}"
    assert requests.get(off, timeout=30).status_code == 200
    assert requests.post(off, data={"List-Unsubscribe": "One-Click"}, timeout=30).status_code == 200


def test_the_links_of_a_person_are_revoked_with_the_person(
    people: People, mailed: dict[str, Any], storage: Storage
) -> None:
    """Those of today and those of an older release; a file that is made later has new ones."""
    record = replace(storage.record(mailed["id"]), id="2" * 34, created_by="ute")
    later = replace(record, id="3" * 34, completed_at=iso(utc_now() + timedelta(minutes=5)))
    for one in (record, later):
        storage.records.create(one)
    try:
        good, old, old_later = storage.link(record), storage.signed_link(record), storage.signed_link(later)
        assert look(good).status_code == requests.get(old, timeout=30).status_code == 200
        assert storage.links.revoke_links_of("acme", "ute", utc_now()) == 1
        assert (look(good).status_code, press(good).status_code) == (410, 410)
        assert requests.post(old, timeout=30).status_code == 410
        assert requests.get(old_later, timeout=30).status_code == 200
    finally:
        for one in (record, later):
            storage.records.delete(one)


def test_the_links_of_a_key_that_leaked_are_void(mailed: dict[str, Any], storage: Storage) -> None:
    """Once no setting names the key any more."""
    assert look(storage.link(storage.record(mailed["id"]), key=key_id("leaked"))).status_code == 404


def test_links_are_revoked_one_by_one(people: People, export: Export, storage: Storage) -> None:
    """By who asked; the other link to the same file stays good. Nobody else sees or revokes them."""
    status = export(exportType="analytics", fileName="one by one", notify={"email": True, "graceSeconds": 0})
    ending(people, status["id"])
    mailed, other = link_in(mails_about(people, status)[0]), storage.link(storage.record(status["id"]))
    path = f"/exports/{status['id']}/links"
    items = people.ada.call("GET", path).json()["items"]
    assert [(i["sentTo"], i["channel"], i["kind"], i["revokedAt"], i["good"]) for i in items] == [
        ("ada", "email", "completed", None, True)
    ] * 2
    assert mailed.partition("#")[2] not in people.ada.call("GET", path).text
    first = hashlib.sha256(mailed.partition("#")[2].encode()).hexdigest()
    for method, where in (("GET", path), ("DELETE", f"{path}/{first}")):
        assert_problem(people.max.call(method, where), "not-found")
    assert_problem(people.ada.call("DELETE", f"{path}/{'0' * 64}"), "not-found", detail="no link of this id")
    assert_problem(people.ada.call("DELETE", f"{path}/x"), "not-found", detail="no link of this id")
    assert people.ada.call("DELETE", f"{path}/{first}").status_code == 204
    assert people.ada.call("DELETE", f"{path}/{first}").status_code == 204
    assert (look(mailed).status_code, press(mailed).status_code) == (410, 410)
    assert look(other).status_code == 200
    good = {i["id"]: (i["good"], bool(i["revokedAt"])) for i in people.ada.call("GET", path).json()["items"]}
    assert good.pop(first) == (False, True)
    assert list(good.values()) == [(True, False)]
    assert people.ada.logs(status["id"])[-1]["message"] == "Ada Lindqvist revoked one link to the file."


def test_a_link_can_be_revoked(people: People, export: Export) -> None:
    """By who asked; the log tells, and nobody else can do it."""
    status = export(exportType="analytics", fileName="revoked", notify={"email": True, "graceSeconds": 0})
    ending(people, status["id"])
    link = link_in(mails_about(people, status)[0])
    assert_problem(people.max.call("POST", f"/exports/{status['id']}/revoke-links"), "not-found")
    assert look(link).status_code == 200
    assert people.ada.call("POST", f"/exports/{status['id']}/revoke-links").status_code == 204
    assert look(link).status_code == 410
    assert people.ada.logs(status["id"])[-1]["message"] == "Ada Lindqvist revoked the links to the file."
    assert people.ada.call("GET", f"/exports/{status['id']}/download").status_code == 302


def test_the_mails_can_be_looked_at(people: People) -> None:
    """Every one in every language, from one page."""
    index = requests.get(f"{people.api}/dev/mails", timeout=30)
    links = re.findall(r'href="([^"]+)"', index.text)
    assert len(links) == 32
    for link in links:
        page = requests.get(f"{people.api}/dev/{link}", timeout=30)
        assert page.status_code == 200
        assert f'<html lang="{link[-2:]}">' in page.text
    assert_problem(
        requests.get(f"{people.api}/dev/mails/faild", timeout=30), "not-found", detail="did you mean 'failed'"
    )
    answer = requests.get(f"{people.api}/dev/mails/failed?locale=xx", timeout=30)
    assert_problem(answer, "validation-failed", locale="unknown locale 'xx'; known: en, de, es, fr")


def test_the_outbox_can_be_emptied(people: People, mailed: dict[str, Any]) -> None:
    """For the next try; oldest mail first until then."""
    items = people.ada.call("GET", "/dev/outbox").json()["items"]
    assert [m["time"] for m in items] == sorted(m["time"] for m in items)
    assert len(items) >= 1
    assert people.ada.call("DELETE", "/dev/outbox").status_code == 204
    assert people.ada.call("GET", "/dev/outbox").json() == {"items": []}
