"""The file formats, in the order in which people see them. A new format is one file here and one line below."""

from collections.abc import Mapping

from shared.errors import FieldError, ValidationFailed, unknown
from shared.formats.base import Format
from shared.formats.csv import Csv
from shared.formats.json import Json
from shared.formats.ndjson import NdJson
from shared.formats.parquet import Parquet
from shared.formats.pdf import Pdf
from shared.formats.xlsx import Xlsx

_ALL: tuple[Format, ...] = (Csv(), Xlsx(), NdJson(), Json(), Parquet(), Pdf())

FORMATS: Mapping[str, Format] = {file_format.name: file_format for file_format in _ALL}


def get_format(name: str) -> Format:
    """The format of this name. Raises ``ValidationFailed`` with the nearest known name."""
    if name not in FORMATS:
        raise ValidationFailed([FieldError("format", unknown("format", name, list(FORMATS)))])
    return FORMATS[name]


_ENDINGS = {"none": "{}", "gzip": "{}.gz", "zip": "zip"}
_CONTAINERS = {"gzip": "application/gzip", "zip": "application/zip"}


def file_extension(file_format: Format, compression: str) -> str:
    """The end of a file's name, without a leading point: ``csv``, ``csv.gz``, ``zip``."""
    return _ENDINGS[compression].format(file_format.extension)


def content_type(file_format: Format, compression: str) -> str:
    """The media type of a file of this format."""
    return _CONTAINERS.get(compression, file_format.content_type)
