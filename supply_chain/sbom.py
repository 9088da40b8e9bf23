"""``make sbom``: the bill of materials of the app as CycloneDX 1.6, with what is inside the wheels of this platform.

Packages are those of ``requirements.txt`` with the hashes of their files; their licences and dependencies come from the
environment, in which they must be installed, and so does what their binaries contain (``native.py``): on the platform
and the Python that the document names.
"""

import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from shared.version import VERSION
from supply_chain.native import Library, libraries

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?: ; ([^\\]+?))? *\\?$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_CLASSIFIER = "License :: OSI Approved :: "


@dataclass(frozen=True)
class Pin:
    """One package of the list."""

    name: str
    version: str
    hashes: tuple[str, ...]
    """SHA-256, in hexadecimal, of each file that may be installed: which one depends on the platform."""


def pins(lock: str) -> Iterator[Pin]:
    """The packages of a list that this platform and this Python need."""
    for entry in re.split(r"\n(?=\S)", lock):
        first, _, rest = entry.partition("\n")
        if (found := _PIN.match(first)) and (not found[3] or Marker(found[3]).evaluate()):
            yield Pin(canonicalize_name(found[1]), found[2], tuple(_HASH.findall(rest)))


def bill_of_materials(lock: str) -> Bom:
    """The document for a list of pinned packages. Raises ``LookupError`` when one of them is not what is installed."""
    bom = Bom()
    about = Component(name="sluice", version=VERSION, type=ComponentType.APPLICATION, bom_ref="sluice")
    bom.metadata.component = about
    bom.metadata.properties.add(Property(name="sluice:platform", value=f"{sys.platform}-{platform.machine()}"))
    bom.metadata.properties.add(Property(name="sluice:python", value=platform.python_version()))
    components = {pin.name: (_component(pin), _installed(pin)) for pin in pins(lock)}
    for component, _ in components.values():
        bom.components.add(component)
    for component, package in components.values():
        needed = [components[name][0] for name in _needed(package) if name in components]
        bom.register_dependency(component, needed)
    bom.register_dependency(about, [component for component, _ in components.values()])
    bom.serial_number = uuid5(NAMESPACE_URL, f"{VERSION}\n{lock}\n{sys.platform}\n{platform.machine()}\n{sys.version}")
    return bom


def _installed(pin: Pin) -> Distribution:
    try:
        package = distribution(pin.name)
    except PackageNotFoundError:
        raise LookupError(f"{pin.name} is not installed; run make sbom, which installs it") from None
    if package.version != pin.version:
        raise LookupError(f"{pin.name} {package.version} is installed, not {pin.version}; run make sbom")
    return package


def _component(pin: Pin) -> Component:
    package = _installed(pin)
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(f"https://pypi.org/simple/{pin.name}/"),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in pin.hashes],
        comment="the files of this version; one of them is installed",
    )
    made = Component(
        name=pin.name,
        version=pin.version,
        type=ComponentType.LIBRARY,
        purl=PackageURL("pypi", None, pin.name, pin.version),
        bom_ref=f"pypi:{pin.name}@{pin.version}",
        external_references=[files],
        licenses=list(_licences(package)),
    )
    for library in libraries(package):
        made.components.add(_inside(library, made))
    return made


def _inside(library: Library, of: Component) -> Component:
    purl = PackageURL.from_string(library.purl) if library.purl else None
    return Component(
        name=library.name,
        version=library.version or None,
        type=ComponentType.LIBRARY,
        purl=purl or PackageURL("generic", None, library.name, library.version or None),
        bom_ref=f"{of.bom_ref.value}/{library.name}@{library.version}",
        properties=[Property(name="sluice:found-in", value=library.where)],
    )


def _licences(package: Distribution) -> Iterator[License]:
    if "License-Expression" in package.metadata:
        yield LicenseFactory().make_from_string(package.metadata["License-Expression"])
        return
    for classifier in package.metadata.get_all("Classifier") or ():
        if classifier.startswith(_CLASSIFIER):
            yield DisjunctiveLicense(name=classifier.removeprefix(_CLASSIFIER))


def _needed(package: Distribution) -> set[str]:
    wanted = map(Requirement, package.requires or ())
    return {canonicalize_name(one.name) for one in wanted if not one.marker or one.marker.evaluate({"extra": ""})}


def main() -> int:
    """Write it; gives the exit status."""
    out = Path(sys.argv[1])
    bom = bill_of_materials(Path("requirements.txt").read_text())
    out.write_text(JsonV1Dot6(bom).output_as_string(indent=2) + "\n")
    inside = sum(len(component.components) for component in bom.components)
    sys.stdout.write(f"{out}: {len(bom.components)} packages with {inside} libraries inside them\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
