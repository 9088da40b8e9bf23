"""What is inside a binary of a wheel: libraries that were linked into it, with the version that the binary itself says.

Three sources, the best first: the bill of materials that a wheel carries (PEP 770, ``*.dist-info/sboms/``), paths of
the package manager vcpkg that were compiled in, and texts by which a library is known. A library that leaves no version
in the binary is listed without one.
"""

import json
import mmap
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

BINARY = re.compile(r"\.(so|dylib|pyd|dll)(\.[0-9]+)*$")

_VCPKG = re.compile(rb"vcpkg/buildtrees/([a-z0-9-]+)/src/([A-Za-z0-9._-]+?)-[0-9a-f]{10}\.clean")
_NUMBERS = re.compile(r"[0-9]+(?:[._][0-9]+)*")

_SIGNATURES: dict[str, tuple[bytes, bytes]] = {
    "azure-sdk-for-cpp": (b"azsdk-cpp-", b""),
    "brotli": (b"BrotliDecoder", b""),
    "bzip2": (b"bzip2/libbzip2", rb"\b(1\.[0-9]+\.[0-9]+), [0-9]{1,2}-[A-Z][a-z]{2}-[0-9]{4}"),
    "curl": (b"libcurl/", rb"libcurl/([0-9]+\.[0-9]+\.[0-9]+)"),
    "dompurify": (b"DOMPurify.version", rb'DOMPurify\.version="([0-9.]+)"'),
    "isa-l": (b"isal_inflate_stateless", b""),
    "jemalloc": (b"jemalloc", rb"\x00([0-9]+\.[0-9]+\.[0-9]+)-[0-9]+-g[0-9a-f]{40}\x00"),
    "libffi": (b"ffi_prep_cif", b""),
    "libpq": (b"libpq is incorrectly linked to backend functions", b""),
    "llhttp": (b"llhttp_", b""),
    "lz4": (b"ERROR_frameType_unknown", b""),
    "mimalloc": (b"mimalloc: warning: ", b""),
    "openssl": (b"OpenSSL ", rb"OpenSSL ([0-9]+\.[0-9]+\.[0-9]+[a-z]?) [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4}"),
    "orc": (b"_ZN3orc", b""),
    "rapidjson": (b"9rapidjson", b""),
    "s2n": (b"s2n", rb"\bs2n[/-]([0-9]+\.[0-9]+\.[0-9]+)"),
    "snappy": (b"_ZN6snappy", b""),
    "thrift": (b"6apache6thrift", b""),
    "utf8proc": (b"utf8proc", b""),
    "zlib": (b"flate ", rb"flate ([0-9.]+) Copyright"),
    "zstd": (b"Frame requires too much memory for decoding", b""),
}
"""What a library is known by, and how it then says its version, when it does. Names are those of vcpkg's ports."""

_SQLITE = re.compile(rb"20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9:]{8} [0-9a-f]{64}\x00")
"""SQLite's source id (sqlite.org/c3ref/c_source_id.html). Of the texts that look like its version, the next one is."""
_SQLITE_VERSION = re.compile(rb"(?<![0-9.])(3\.[0-9]{1,2}\.[0-9]{1,2})\x00")

_NEEDS_VERSION = frozenset({"curl", "dompurify", "openssl", "s2n", "zlib"})
"""Known by texts that others have too: without a version it is not there."""

_TEXT_TOO = frozenset({"swagger-ui-bundle.js"})


@dataclass(frozen=True, order=True)
class Library:
    """A library that is part of a package. ``version`` is empty where the binary does not say it."""

    name: str
    version: str
    where: str
    """The file of the package that has it, or that says so."""
    purl: str = field(default="", compare=False)


def libraries(package: Distribution) -> list[Library]:
    """What a package brings inside its files, each once: name, version and the first file that has it."""
    found: dict[tuple[str, str], Library] = {}
    files = sorted(package.files or (), key=str)
    for library in (*_declared(package, files), *_linked(package, files)):
        found.setdefault((library.name, library.version), library)
    versioned = {library.name for library in found.values() if library.version}
    return sorted(library for library in found.values() if library.version or library.name not in versioned)


def _declared(package: Distribution, files: Iterable[Any]) -> Iterator[Library]:
    for file in files:
        if "sboms" in file.parts and file.suffix == ".json":
            bom = json.loads(Path(str(package.locate_file(file))).read_text())
            for component in bom.get("components", ()):
                if component["name"] != package.name:
                    yield Library(component["name"], component.get("version", ""), str(file), component.get("purl", ""))


def _linked(package: Distribution, files: Iterable[Any]) -> Iterator[Library]:
    for file in files:
        if BINARY.search(file.name) or file.name in _TEXT_TOO:
            path = Path(str(package.locate_file(file)))
            if path.stat().st_size:
                with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    for name, version in set(_in(data)):
                        yield Library(name, version, str(file))


def _in(data: mmap.mmap) -> Iterator[tuple[str, str]]:
    built = {match[1].decode(): match[2].decode() for match in _VCPKG.finditer(data)}
    for name, reference in built.items():
        yield name, _version(name, reference)
    for name, (text, pattern) in _SIGNATURES.items():
        if name not in built and data.find(text) >= 0:
            match = re.search(pattern, data) if pattern else None
            if match or name not in _NEEDS_VERSION:
                yield name, match[1].decode() if match else ""
    if data.find(b"SQLite format 3") >= 0 and (source := _SQLITE.search(data)):
        versions = sorted(_SQLITE_VERSION.finditer(data), key=lambda found: abs(found.start() - source.start()))
        yield "sqlite", versions[0][1].decode() if versions else ""


def _version(name: str, reference: str) -> str:
    """The version in the name of a tag such as ``v1.2.3`` or ``curl-8_23_0``; a commit stays as it is."""
    if re.fullmatch("[0-9a-f]{10}", reference):
        return reference
    numbers = _NUMBERS.findall(reference)
    return numbers[-1].replace("_", ".") if numbers and len(re.split("[._]", numbers[-1])) > 1 else ""
