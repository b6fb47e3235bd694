"""The settings of the servers that the contract is held against: the project's own, with what one test needs different.

A settings module, because a server is a process of its own: all it is told comes through its environment.
"""

import json
import os

from config.settings import *  # noqa: F403
from config.settings import REALTIME, REST_FRAMEWORK

REALTIME = {**REALTIME, **json.loads(os.environ.get("TEST_REALTIME", "{}"))}

# A client under test asks more often in a second than a person's does in a minute.
REST_FRAMEWORK = {
    **REST_FRAMEWORK,
    "DEFAULT_THROTTLE_RATES": dict.fromkeys(REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], "1000000/min"),
}
