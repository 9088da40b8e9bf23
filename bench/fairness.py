"""Another tenant's listing while one user has 24 estimates going, beside the same when nothing else happens.

Each estimate counts all rows of a tenant for a text that is in none. ESTIMATES for another number. With the limits as
they are set by default most of so many are refused at once; here they are raised, so that all of them run or wait.
"""

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import responses

from bench import measure
from demo import stack
from demo.client import Client

PORT = 7187
ESTIMATES = int(os.environ.get("ESTIMATES") or 24)
QUIET_LOOKS = 60
MOST_LOOKS = 2_000
PAUSE_SECONDS = 0.02


def main() -> None:
    """Print both medians, their ratio, and what became of the estimates."""
    roomy = {"MAX_ESTIMATES_PER_USER": str(ESTIMATES), "MAX_ESTIMATES_PER_TENANT": str(ESTIMATES)}
    python = str(stack.ROOT / ".venv" / "bin" / "python")
    with stack.running(stack.home_from({}), PORT, "sqlite", roomy, python=python) as service:
        asks, looks = Client(service.api, "max"), Client(service.api, "bea")
        for client in (asks, looks):
            listing(client)  # makes the tables, and connections
        before = [listing(looks) for _ in range(QUIET_LOOKS)]
        beside, estimates, statuses = during(asks, looks)
        after = [listing(looks) for _ in range(QUIET_LOOKS)]
    quiet, busy = measure.median([*before, *after]), measure.median(beside)
    rows = [
        ["nothing else", len(before) + len(after), *figures([*before, *after]), ""],
        [f"{ESTIMATES} estimates of another tenant's user", len(beside), *figures(beside), f"{busy / quiet:.1f}"],
    ]
    print(measure.table(["a page of exports beside", "looks", "median, ms", "95 %, ms", "slowest, ms", "ratio"], rows))
    answered = ", ".join(f"{count} x {status} {responses[status]}" for status, count in sorted(statuses.items()))
    print(f"\nThe estimates: {answered}; median {measure.median(estimates):.1f} s, slowest {max(estimates):.1f} s.")
    print(f"Load of the machine at the end: {' '.join(f'{load:.1f}' for load in os.getloadavg())}")


def during(asks: Client, looks: Client) -> tuple[list[float], list[float], Counter[int]]:
    """Seconds of each listing while the estimates run, seconds of each estimate, and how these were answered."""
    with ThreadPoolExecutor(ESTIMATES) as pool:
        going = [pool.submit(estimate, asks.api, asks.headers) for _ in range(ESTIMATES)]
        beside: list[float] = []
        while not all(one.done() for one in going) and len(beside) < MOST_LOOKS:
            beside.append(listing(looks))
            time.sleep(PAUSE_SECONDS)
        ended = [one.result() for one in going]
    return beside, [seconds for _, seconds in ended], Counter(status for status, _ in ended)


def estimate(api: str, headers: dict[str, str]) -> tuple[int, float]:
    """The status of an estimate that has to look at every row, and its seconds."""
    import requests

    body = {"exportType": "sessions", "filters": {"notes": "zzqN"}}
    started = time.perf_counter()
    answer = requests.post(f"{api}/exports/estimate", json=body, headers=headers, timeout=600)
    return answer.status_code, time.perf_counter() - started


def listing(client: Client) -> float:
    """Seconds of one page."""
    return measure.seconds(partial(page, client))


def page(client: Client) -> None:
    """One page of exports."""
    client.call("GET", "/exports?limit=1").raise_for_status()


def figures(times: list[float]) -> tuple[str, str, str]:
    """Median, 95th percentile and slowest, in milliseconds."""
    ordered = sorted(times)
    chosen = (measure.median(ordered), ordered[int(len(ordered) * 0.95)], ordered[-1])
    median, most, slowest = (f"{seconds * 1000:.0f}" for seconds in chosen)
    return median, most, slowest
