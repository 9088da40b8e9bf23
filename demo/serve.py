"""``make run``: serve until Ctrl-C."""

import os
import sys

from demo import processes, stack


def main() -> int:
    """Start the service, say where things are, and wait."""
    stack.exit_on_signals()
    try:
        home = stack.home_from(os.environ)
        port = stack.port_from(os.environ, "PORT", 7071) or 7071
        with stack.running(home, port, os.environ.get("SOURCE") or "sqlite") as service:
            print(
                f"\nSluice serves on {service.base_url}\n"
                f"  API        {service.api}/health, {service.api}/export-types (docs/tutorial)\n"
                f'  token      curl -s {service.api}/dev/token -d \'{{"user": "ada"}}\'\n'
                f"  outbox     {service.api}/dev/outbox\n"
                f"  host log   {home / 'logs' / 'host.log'}\n"
                "Ctrl-C ends it.",
                flush=True,
            )
            status = service.host.wait()
            print(
                f"the host ended with status {status}:\n{processes.tail(home / 'logs' / 'host.log')}", file=sys.stderr
            )
            return 1
    except processes.StartFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped")
        return 0


if __name__ == "__main__":
    sys.exit(main())
