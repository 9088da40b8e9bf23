"""What a spreadsheet takes for the start of a formula, as a plain definition of the guard."""

import re

SIGNS = "=+-@＝＋－＠"
SPLITS = ";,|\t\r\n"


def defused(text: str) -> str:
    """An apostrophe at the start, and behind each delimiter and line break, where a formula would begin."""
    inside = re.sub(f"(?<=[{SPLITS}])(?=[{re.escape(SIGNS)}])", "'", text)
    return "'" + inside if text and text[0] in SIGNS + "\t\r\n\x00" else inside


def defused_json(text: str) -> str:
    """The same for JSON, in which numbers stay numbers: alone, and in arrays without a formula elsewhere."""
    number = r"-(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?"
    without = re.sub(rf",{number}(?=[,\]}}])", "", text)
    if re.fullmatch(number, text) or defused(without) == without:
        return text
    return defused(text)
