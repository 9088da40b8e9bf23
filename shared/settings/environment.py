"""Where this process runs: on the machine of somebody who develops, or anywhere else.

Everything that is open without a sign-in depends on this one decision: ``AUTH_MODE=dev``, service tokens from a host
that asks for no keys, webhooks to this machine, links without TLS, a signing key that nobody set. It is closed by
default: ``AZURE_FUNCTIONS_ENVIRONMENT=Development`` has to say that this is local development (Core Tools and the
embedded host set it; on a platform the Functions host's default is Production), and no variable of a platform may be
there.
"""

import ipaddress
import re
from collections.abc import Mapping

STAGE = "AZURE_FUNCTIONS_ENVIRONMENT"
DEVELOPMENT = "Development"

_HOST_NAME = "WEBSITE_HOSTNAME"
"""A platform sets it to the app's public name, Core Tools to an address of this machine."""

_IMAGE, _CORE_TOOLS = "DOTNET_RUNNING_IN_CONTAINER", "FUNCTIONS_CORETOOLS_ENVIRONMENT"
"""The images of the Functions host set the first. Where Core Tools run in such an image, they set the second."""

_PREFIXES = (
    "WEBSITE_",
    "WEBSITES_",
    "APPSETTING_",
    "CONTAINER_APP_",
    "KUBERNETES_",
    "LEGION_",
    "FABRIC_",
)
"""Families of variables of App Service, Container Apps, Kubernetes, Flex Consumption and Service Fabric."""

_NAMES = frozenset(
    {
        # By which the Functions host tells its plans apart (EnvironmentSettingNames.cs, EnvironmentExtensions.cs).
        "CONTAINER_NAME",
        "CONTAINER_ENCRYPTION_KEY",
        "CONTAINER_START_CONTEXT",
        "CONTAINER_START_CONTEXT_SAS_URI",
        "CONTAINER_SPECIALIZATION_CONTEXT_MOUNT_PATH",
        "FUNCTIONS_ALWAYSREADY_INSTANCE",
        "FUNCTIONS_LOGS_MOUNT_PATH",
        "FUNCTIONS_METRICS_PUBLISH_PATH",
        "FUNCTIONS_TARGET_GROUP",
        "HTTP_LEADER_ENDPOINT",
        "INITIALIZED_FROM_PLACEHOLDER",
        "MANAGED_ENVIRONMENT",
        "MESH_INIT_URI",
        "POD_ENCRYPTION_KEY",
        "POD_NAME",
        "POD_NAMESPACE",
        "ROLEINSTANCEID",
        # Managed identities of App Service, Container Apps and Arc-enabled machines, and of workloads on Kubernetes.
        "IDENTITY_ENDPOINT",
        "IDENTITY_HEADER",
        "IMDS_ENDPOINT",
        "MSI_ENDPOINT",
        "MSI_SECRET",
        "AZURE_FEDERATED_TOKEN_FILE",
        # Other places that run containers.
        "AWS_EXECUTION_ENV",
        "ECS_CONTAINER_METADATA_URI",
        "ECS_CONTAINER_METADATA_URI_V4",
        "K_SERVICE",
    }
)

_WRITTEN_BY_PEOPLE = frozenset(
    {"WEBSITE_MOUNT_ENABLED", "WEBSITE_NODE_DEFAULT_VERSION", "WEBSITE_RUN_FROM_PACKAGE", "WEBSITE_TIME_ZONE"}
)
"""Settings of an app that only look like the platform's; they come home with its other settings."""

_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
_AUTHORITY = re.compile(rf"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>{_LABEL}(?:\.{_LABEL})*)\.?)(?::[0-9]{{1,5}})?")
_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")

_NAMING_HOSTS = ("x-forwarded-host", "x-original-host")
_NAMING_ADDRESSES = (
    "x-forwarded-for",
    "x-real-ip",
    "x-client-ip",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "cf-connecting-ip",
    "fastly-client-ip",
    "true-client-ip",
)
"""In which proxies say for whom a request is. The embedded host itself adds the peer's address to the first."""

_FORWARDED_PAIR = re.compile(r"(?i)\b(host|for)=(\"[^\"]*\"|[^;,\s]*)")
"""Of ``Forwarded`` (RFC 7239, section 4)."""


def is_local_development(environment: Mapping[str, str]) -> bool:
    """Whether a process with this environment runs on the machine of somebody who develops."""
    return not objection(environment)


def objection(environment: Mapping[str, str]) -> str:
    """What speaks against local development, as the end of a sentence; empty when nothing does."""
    said = [environment.get(STAGE, ""), *_values(environment, STAGE)]
    if any(value.lower() != DEVELOPMENT.lower() for value in said):
        return f"{STAGE} is not {DEVELOPMENT}"
    found = platform_variables(environment)
    return f"{', '.join(found[:3])} is set, as on a platform" if found else ""


def platform_variables(environment: Mapping[str, str]) -> list[str]:
    """The names of the variables in an environment that only a platform sets. The case of a name does not count."""
    core_tools = any(_values(environment, _CORE_TOOLS))
    return sorted(
        name
        for name, value in environment.items()
        if value and _is_platform(name.upper(), value, core_tools=core_tools)
    )


def without_platform(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without them, for a process that somebody starts for local development on any machine."""
    found = set(platform_variables(environment))
    return {name: value for name, value in environment.items() if name not in found}


def _is_platform(name: str, value: str, *, core_tools: bool) -> bool:
    if name == _HOST_NAME:
        return not is_loopback(value)
    if name == _IMAGE:
        return not core_tools
    return name in _NAMES or (name.startswith(_PREFIXES) and name not in _WRITTEN_BY_PEOPLE)


def is_loopback(authority: str) -> bool:
    """Whether a host, with or without a port, names this machine, as browsers see it.

    ``localhost`` and names below it (RFC 6761, section 6.3), 127.0.0.0/8 and ``[::1]`` (W3C Secure Contexts, section
    3.1). Other spellings of these addresses do not count: no browser sends them.
    """
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        return False
    try:
        if found["v6"]:
            return ipaddress.IPv6Address(found["v6"]) == ipaddress.IPv6Address("::1")
        return ipaddress.IPv4Address(found["name"]) in _LOOPBACK
    except ValueError:
        return bool(found["name"]) and f".{found['name'].lower()}".endswith(".localhost")


def is_local_request(headers: Mapping[str, str]) -> bool:
    """Whether a request was sent to this machine by its own name, from this machine as far as its headers say.

    ``headers`` have names in lower case. A page elsewhere can let its own name point here (DNS rebinding), but cannot
    choose the header ``Host``. What a proxy adds can only close: every host and address that it names has to be this
    machine's, and ``Via`` (RFC 9110, section 7.6.3) must not be there. A proxy that adds nothing, and sends a ``Host``
    of this machine, cannot be told from somebody here.
    """
    if "via" in headers:
        return False
    hosts = [headers.get("host", "")]
    addresses: list[str] = []
    for name in _NAMING_HOSTS:
        hosts += _listed(headers.get(name, ""))
    for name in _NAMING_ADDRESSES:
        addresses += _listed(headers.get(name, ""))
    for name, value in _FORWARDED_PAIR.findall(headers.get("forwarded", "")):
        (hosts if name.lower() == "host" else addresses).append(value.strip('"'))
    return all(map(is_loopback, hosts)) and all(map(_is_loopback_address, addresses))


def _listed(value: str) -> list[str]:
    return [item.strip() for item in value.split(",") if item.strip()]


def _is_loopback_address(text: str) -> bool:
    """The same as ``is_loopback`` of an address, also of one of IPv6 without brackets."""
    return is_loopback(f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text)


def _values(environment: Mapping[str, str], wanted: str) -> list[str]:
    return [value for name, value in environment.items() if name.upper() == wanted]
