"""The project's own settings, on servers that were started for this test run.

A settings module because nothing of pytest comes before it: the database must have an address by then.
"""

from tests import servers

servers.prepare()

from config.settings import *  # noqa: E402, F403
from config.settings import DATABASES, MIDDLEWARE, REALTIME  # noqa: E402

DATABASES["default"].setdefault("TEST", {})
servers.name_test_database(DATABASES["default"])

# Argon2 and PBKDF2 are slow on purpose.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# Nobody is alerted but by the tests of alerts: it would be a query now and then that others do not expect.
REALTIME.update({"TICK": 0.2, "ALERT_INTERVAL": 0})

# It reads every static file's place again for each test client; live servers have it.
MIDDLEWARE.remove("servestatic.middleware.ServeStaticMiddleware")
