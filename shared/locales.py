"""What a locale decides about a file: which titles it has, and how it writes decimals."""

import re

_SUBTAGS = re.compile("[-_]")

_COMMA_LANGUAGES = (
    "af az be bg br bs ca cs cv da de el eo es et eu ff fi fo fr fy gl hr ht hu hy ia id ie is it jv ka kk kl ku ky lb"
    " ln lo lt lu lv mk nb nl nn no nr pl ps pt rn ro ru rw sc se sg sk sl sq sr ss su sv tg tk tr ts tt uk uz ve vi wo"
)
"""Languages that write a decimal comma (CLDR 48, numbers/symbols/decimal of Latin digits); all others write a point."""

_COMMA_REGIONS = {
    "ar": "DZ LB LY MA MR TN",
    "en": "AT BE CZ DE DK ES FI FR HU ID IT NL NO PL PT RO SE SI SK ZA",
    "ms": "BN ID",
    "qu": "BO",
    "sw": "CD",
}
_POINT_REGIONS = {"de": "CH LI", "es": "419 BR BZ CU DO GT HN MX NI PA PE PR SV US", "it": "CH"}
"""Regions that write the decimal sign otherwise than their language."""


def canonical(locale: str) -> tuple[str, str]:
    """Language and region of a locale, in the usual case; the region may be missing.

    >>> canonical("ZH_hant-tw"), canonical("fr")
    (('zh', 'TW'), ('fr', ''))
    """
    language, *others = _SUBTAGS.split(locale)
    region = next((tag for tag in others if len(tag) == 2 or (len(tag) == 3 and tag.isdecimal())), "")
    return language.lower(), region.upper()


def decimal_comma(locale: str) -> bool:
    """Whether people of this locale write a comma before the decimals."""
    language, region = canonical(locale)
    if language in _COMMA_LANGUAGES.split():
        return region not in _POINT_REGIONS.get(language, "").split()
    return region in _COMMA_REGIONS.get(language, "").split()
