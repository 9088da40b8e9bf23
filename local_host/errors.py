"""Every exception of the host.

::

    HostError
    ├── SettingsError            host.json, local.settings.json or a command-line value is wrong
    ├── PortInUseError           the public address is taken
    ├── TaskHubInUseError        another host has the task hub
    ├── TaskHubLostError         another host has taken the task hub over
    ├── AppLoadError             the app cannot be imported or indexed
    ├── WorkerDiedError          a worker process ended while it had work
    ├── FunctionTimeoutError     a function ran longer than functionTimeout
    ├── FunctionFailedError      a function raised
    └── InstanceError            a management operation that cannot be done
        ├── InstanceExistsError
        ├── InstanceNotFoundError
        ├── InstanceGoneError
        ├── InstanceStateError
        └── InvalidRequestError
            └── InvalidJsonError
"""

from __future__ import annotations


class HostError(Exception):
    """Base of all errors this package raises on purpose."""


class SettingsError(HostError):
    """A setting has a value the host cannot use; the message names the file, the key and what is valid."""


class PortInUseError(HostError):
    """The public address is taken by another process."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"port {port} on {host} is already in use; stop the process that holds it or choose another with --port"
        )


class TaskHubInUseError(HostError):
    """Another host process has this task hub, and is alive."""

    def __init__(self, path: str, owner: str) -> None:
        super().__init__(
            f"task hub {path} is in use by another host ({owner}); stop it or choose another --data folder"
        )


class TaskHubLostError(HostError):
    """This host was silent for so long that another took its task hub over."""

    def __init__(self, path: str, owner: str) -> None:
        super().__init__(
            f"task hub {path} was taken over by another host ({owner}) while this one gave no sign of life; "
            "nothing more is written, and the other host goes on with the work"
        )


class AppLoadError(HostError):
    """The app cannot be imported or indexed. ``details`` holds the traceback, or an empty string."""

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


class WorkerDiedError(HostError):
    """The worker process ended before it answered; the work is to be delivered again."""


class FunctionTimeoutError(HostError):
    """A function ran longer than ``functionTimeout``."""

    def __init__(self, function: str, seconds: float, invocation_id: str) -> None:
        hours, rest = divmod(int(seconds), 3600)
        text = f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}"
        super().__init__(
            f"Timeout value of {text} exceeded by function '{function}' (Id: '{invocation_id}'). "
            "Initiating cancellation."
        )


class FunctionFailedError(HostError):
    """A function raised. ``kind`` is the exception's class name, ``stack`` its traceback text."""

    def __init__(self, kind: str, message: str, stack: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.stack = stack


class InstanceError(HostError):
    """A management operation on an orchestration instance that cannot be done."""


class InstanceExistsError(InstanceError):
    """An instance with the id is still live."""

    def __init__(self, status: str) -> None:
        super().__init__(f"An Orchestration instance with the status {status} already exists.")


class InstanceNotFoundError(InstanceError):
    """There is no instance with the id."""

    def __init__(self, instance_id: str) -> None:
        super().__init__(f"No instance with ID '{instance_id}' was found.")


class InstanceGoneError(InstanceError):
    """The instance has finished, so the operation has no target."""

    def __init__(self, instance_id: str, status: str) -> None:
        super().__init__(f"The instance with ID '{instance_id}' has the status {status}.")


class InstanceStateError(InstanceError):
    """The instance is live, but in a state in which the operation cannot be done."""


class InvalidRequestError(InstanceError):
    """An argument of a management operation is wrong: an unknown function, a bad instance id, bad JSON."""


class InvalidJsonError(InvalidRequestError):
    """The body of a management operation is no JSON."""
