"""What the mails say."""

from html import escape

from shared.channels.base import Message, operation_id
from shared.records import ExportRecord, from_iso
from shared.words import moment, size


def completed(record: ExportRecord, title: str, link: str) -> Message:
    """The mail that says that an export is ready. It holds no data rows, and a link without a key to the file."""
    rows, bytes_, until = f"{record.file_rows:,}", size(record.file_bytes), moment(from_iso(record.expires_at))
    recipient = str(record.caller["email"])
    name = str(record.caller["name"])
    text = (
        f"Hello {name},\n\n"
        f"your export '{title}' is ready: {record.file_name}, {rows} rows, {bytes_}.\n\n"
        f"Download it until {until}:\n{link}\n\n"
        "You get this mail because the export took a while and had not been downloaded yet.\n"
    )
    html = (
        '<!doctype html><html lang="en"><body style="font-family:sans-serif;line-height:1.5">'
        f"<p>Hello {escape(name)},</p>"
        f"<p>your export <strong>{escape(title)}</strong> is ready:<br>"
        f"{escape(record.file_name)}, {rows} rows, {bytes_}.</p>"
        f'<p><a href="{escape(link, quote=True)}" style="display:inline-block;padding:.6em 1.2em;background:#0b57d0;'
        'color:#fff;text-decoration:none;border-radius:4px">Get the file</a></p>'
        f"<p>It can be downloaded until {until}.</p>"
        "<p>You get this mail because the export took a while and had not been downloaded yet.</p></body></html>"
    )
    return Message(
        operation_id=operation_id(record.id, recipient, "completed"),
        recipient=recipient,
        recipient_name=name,
        subject=f"Your export '{_one_line(title)}' is ready",
        text=text,
        html=html,
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
