"""One font for all text of a PDF: Noto Sans, and Noto Sans CJK where that has no glyph (both SIL Open Font License).

A text is written as 16-bit code points, so that parts need not know which glyphs the file will have in the end. The
merge makes a font program of the glyphs that occur, in which a glyph's CID is its code point (ISO 32000-1, section
9.7.4.2; Adobe Technical Note 5176, The Compact Font Format).
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import pyarrow as pa

UNITS_PER_EM = 1000
"""Of both fonts, and of every width in a PDF."""
MISSING_WIDTH = 1000
FONT_NAME = "SluiceSans"

_FONTS = (
    ("fontpkg_noto_sans", "files/NotoSans[wdth,wght].ttf"),
    ("noto_cjk_sans_jp_regular", "NotoSansCJKjp-Regular.otf"),
)
_LAST_CODE = 0xFFFF
_NOT_A_GLYPH = 0xFFFD
"""Stands for characters beyond the 16 bits of a code, and is shown as missing itself."""
_MAX_CODES_IN_A_BLOCK = 100


@dataclass(frozen=True)
class _Source:
    """One of the fonts: the glyph's name by code point, the advance width by glyph name, and the outlines."""

    glyphs: Mapping[int, str]
    advances: Mapping[str, tuple[int, int]]
    outlines: Mapping[str, Any]

    def advance(self, code_point: int) -> int:
        return self.advances[self.glyphs[code_point]][0]


@cache
def _sources() -> tuple[_Source, ...]:
    from fontTools.ttLib import TTFont

    opened = [TTFont(io.BytesIO(files(package).joinpath(path).read_bytes()), lazy=True) for package, path in _FONTS]
    return tuple(_Source(font.getBestCmap(), font["hmtx"].metrics, font.getGlyphSet()) for font in opened)


@cache
def advances() -> pa.Int32Array:
    """The advance width of every code point up to U+FFFF, in 1/1000 em; null where there is no glyph."""
    widths: dict[int, int] = {}
    for source in reversed(_sources()):
        widths.update((code_point, source.advance(code_point)) for code_point in source.glyphs)
    del widths[_NOT_A_GLYPH]
    return pa.array([widths.get(code_point) for code_point in range(_LAST_CODE + 1)], pa.int32())


@dataclass(frozen=True)
class EmbeddedFont:
    """What a file embeds: the font program (bare CFF), the CMap to Unicode, and the width of each code."""

    program: bytes
    to_unicode: bytes
    widths: Mapping[int, int]


def embed(code_points: Iterable[int]) -> EmbeddedFont:
    """A font of the glyphs of these code points. CID 0 is the box that stands for those that are missing."""
    latin, cjk = _sources()
    wanted = sorted(code_points)
    outlines = {".notdef": _outline(cjk, ".notdef", MISSING_WIDTH)}
    widths: dict[int, int] = {}
    for code_point in wanted:
        source = next((s for s in (latin, cjk) if code_point in s.glyphs), None)
        if source is not None and code_point != _NOT_A_GLYPH:
            widths[code_point] = source.advance(code_point)
            outlines[f"cid{code_point:05}"] = _outline(source, source.glyphs[code_point], widths[code_point])
    return EmbeddedFont(_program(outlines), _to_unicode(wanted), widths)


def _outline(source: _Source, glyph: str, width: int) -> Any:
    from fontTools.pens.t2CharStringPen import T2CharStringPen

    pen = T2CharStringPen(width, source.outlines)
    source.outlines[glyph].draw(pen)
    return pen.getCharString()


def _program(outlines: Mapping[str, Any]) -> bytes:
    """A CID-keyed CFF of one font dictionary."""
    from fontTools.cffLib import FDArrayIndex, FDSelect, FontDict
    from fontTools.fontBuilder import FontBuilder

    builder = FontBuilder(UNITS_PER_EM, isTTF=False)
    builder.setupGlyphOrder(list(outlines))
    builder.setupCFF(FONT_NAME, {"FullName": FONT_NAME}, outlines, {})
    program = builder.font["CFF "].cff
    top = program.topDictIndex[0]
    only = FontDict()
    only.Private = top.Private
    dictionaries, selection = FDArrayIndex(), FDSelect()
    dictionaries.append(only)
    selection.format, selection.gidArray = 3, [0] * len(outlines)
    top.ROS, top.CIDCount = ("Adobe", "Identity", 0), _LAST_CODE + 1
    top.FDArray, top.FDSelect = dictionaries, selection
    top.CharStrings.fdArray, top.CharStrings.fdSelect = dictionaries, selection
    del top.Private
    compiled = io.BytesIO()
    program.compile(compiled, builder.font)
    return compiled.getvalue()


def _to_unicode(code_points: Sequence[int]) -> bytes:
    """A CMap from every code to itself, so that text can be searched and copied (9.10.3)."""
    lines = [f"<{code_point:04X}> <{code_point:04X}>\n" for code_point in code_points]
    blocks = []
    for start in range(0, len(lines), _MAX_CODES_IN_A_BLOCK):
        block = lines[start : start + _MAX_CODES_IN_A_BLOCK]
        blocks.append(f"{len(block)} beginbfchar\n{''.join(block)}endbfchar\n")
    return (
        "/CIDInit/ProcSet findresource begin\n12 dict begin\nbegincmap\n"
        "/CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>> def\n"
        "/CMapName/Adobe-Identity-UCS def\n/CMapType 2 def\n"
        "1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n"
        + "".join(blocks)
        + "endcmap\nCMapName currentdict/CMap defineresource pop\nend\nend\n"
    ).encode("ascii")
