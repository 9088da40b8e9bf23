"""The app's routes, asked of a process of its own: an app gives its functions once only."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

_SCRIPT = """
import json, function_app
found = []
for function in function_app.app.get_functions():
    for binding in function.get_bindings():
        trigger = binding.get_dict_repr()
        if trigger["type"] == "httpTrigger" and trigger["route"] != "{*path}":
            found += [(m.value, trigger["route"], function.get_function_name()) for m in trigger["methods"]]
print(json.dumps(found))
"""


@cache
def routes() -> dict[tuple[str, str], str]:
    """The function's name for every method and route, but for the function that takes what is left over."""
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", _SCRIPT], cwd=root, capture_output=True, check=True, text=True)
    return {(method, route): name for method, route, name in json.loads(done.stdout)}
