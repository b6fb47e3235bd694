"""Every way in which the server refuses or ends something, as far as the client acts on it.

Generated: ``manage.py client_errors --python > clients/python/realtime_client/table.py``.
"""

CLOSES = {
    "bad_json": 4500,
    "bad_message": 4500,
    "unknown_command": 4500,
    "invalid_data": 4500,
    "forbidden": 4505,
    "not_subscribed": 4500,
    "too_many_subscriptions": 4505,
    "rate_limited": 4429,
    "unknown_resource": 4500,
    "not_found": 4505,
    "unauthenticated": 4501,
    "internal": 1011,
    "token_expired": 4401,
    "signed_out": 4503,
    "too_many_connections": 4430,
    "message_too_big": 1009,
    "protocol_violations": 4500,
    "heartbeat_timeout": 4408,
    "too_slow": 4410,
    "draining": 1012,
    "unavailable": 1012,
}
"""What a refusal in HTTP would have been on a line: its close code."""
RETRY_AFTER = {
    "rate_limited": 1,
    "internal": 5,
    "too_many_connections": 30,
    "draining": 5,
    "unavailable": 2,
}
"""How many seconds to wait after a refusal, where it is not said."""
CLOSE_RETRY_AFTER = {
    1011: 5,
    4429: 1,
    4430: 30,
}
"""How many seconds to wait after a close code."""
SIGN_IN = frozenset([4401, 4501, 4503])
"""The close codes after which only a new sign-in can help."""
MEANINGS = {
    1009: "message over the limit",
    1011: "unexpected failure of the server: reconnect",
    1012: "restarting or draining: reconnect after a random delay",
    4401: "token expired: get a new one first",
    4408: "heartbeat timeout",
    4410: "too slow: it would not read what was sent; resume with the cursor",
    4429: "too many commands; wait",
    4430: "too many connections: later",
    4500: "repeated protocol violations",
    4501: "no good credential",
    4503: "signed out, deactivated, or access taken away",
    4505: "not admitted: topic, role or origin",
}
"""What a close code means."""
