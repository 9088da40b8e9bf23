"""The export types. Each is one file here, and one line in this list; ``sessions.py`` is the one to copy."""

from collections.abc import Mapping

from exports.analytics import ANALYTICS
from exports.audit import AUDIT
from exports.employees import EMPLOYEES
from exports.exemptions import EXEMPTIONS
from exports.local_scope import Headcount, local_scope_export
from exports.ownership import owned
from exports.sessions import SESSIONS
from exports.users import USERS
from shared.catalog.export_types import AsyncExportsDependency, ExportType
from shared.catalog.ownership import Ownership

OWNERSHIP: Ownership | None = owned
"""Who says what a tenant owns. None where every function declares ``tenant``, or there is one tenant only."""

APPLICATIONS: Mapping[str, AsyncExportsDependency] = {
    "payroll": Headcount(with_leavers=True),
    "roster": Headcount(with_leavers=False),
}
"""The applications that offer exports in their own scope; see ``local_scope.py``."""

EXPORT_TYPES: tuple[ExportType, ...] = (
    SESSIONS,
    USERS,
    ANALYTICS,
    EMPLOYEES,
    EXEMPTIONS,
    AUDIT,
    *(local_scope_export(application, dependency) for application, dependency in APPLICATIONS.items()),
)
"""What can be exported, in the order in which people see it."""
