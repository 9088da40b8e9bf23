"""What a set of roles allows. Whoever asks for the roles of a caller or of a person who has called gets one answer."""

from collections.abc import Collection

from shared.catalog.export_types import Role


def operates(roles: Collection[Role | str]) -> bool:
    """May operate the service, and see every tenant."""
    return Role.SUPER_ADMIN in roles


def administers(roles: Collection[Role | str]) -> bool:
    """May see and change what belongs to the whole tenant."""
    return operates(roles) or Role.ADMIN in roles


def exports(roles: Collection[Role | str]) -> bool:
    """May ask for exports of some type, and see and download their own."""
    return administers(roles) or Role.MANAGER in roles
