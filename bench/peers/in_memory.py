"""The in-memory backend of the durabletask SDK: orchestrations over gRPC, with nothing on disk."""

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from durabletask import client, task, worker
from durabletask.testing import create_test_backend


def noop(_: task.ActivityContext, value: int) -> int:
    """Do nothing."""
    return value


def fan_out(context: task.OrchestrationContext, count: int) -> Any:
    """As many activities at once."""
    results = yield task.when_all([context.call_activity(noop, input=n) for n in range(count)])
    return len(results)


def sequence(context: task.OrchestrationContext, count: int) -> Any:
    """As many activities, one after the other."""
    for n in range(count):
        yield context.call_activity(noop, input=n)
    return count


@contextmanager
def running() -> Iterator[Callable[[str, int], None]]:
    """Give a function that runs an orchestrator by name to its end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    backend = create_test_backend(port=port)
    address = f"127.0.0.1:{port}"
    with worker.TaskHubGrpcWorker(host_address=address, log_handler=logging.NullHandler()) as runner:
        runner.add_activity(noop)
        for orchestrator in (fan_out, sequence):
            runner.add_orchestrator(orchestrator)
        runner.start()
        hub = client.TaskHubGrpcClient(host_address=address, log_handler=logging.NullHandler())

        def run(name: str, count: int) -> None:
            instance_id = hub.schedule_new_orchestration(name, input=count)
            state = hub.wait_for_orchestration_completion(instance_id, timeout=120)
            if state is None or state.serialized_output != str(count):
                raise SystemExit(f"the in-memory backend gave {state and state.serialized_output} for {name} {count}")

        yield run
    backend.stop()
