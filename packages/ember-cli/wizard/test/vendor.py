"""A vendor on this machine, for the tests of the wizard: says its URL, and ends with its standard input.

It refuses the first key it is asked about, is out of order for the second, and then knows forty models.
"""

import json
import sys

from ember.models.testing import LocalServer

MODELS = {"object": "list", "data": [{"id": f"local-{n}", "object": "model"} for n in range(40)]}

if __name__ == "__main__":
    with LocalServer() as server:
        server.replies(401, path="/v1/models").then(503).then(200, json=MODELS)
        server.answer = lambda prompt: "Hello, and welcome!"
        print(json.dumps({"url": f"{server.url}/v1"}), flush=True)
        sys.stdin.read()
