"""The names and meanings of what is measured. A metric's name stands here and nowhere else."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram


class _Metrics:
    """Every metric of the app; ``exposition`` shows those of all processes of a server together."""

    sequenced = Counter("realtime_sequenced_total", "Entries given their place in the log by this process.")
    sequence_errors = Counter("realtime_sequence_errors_total", "Sequencing transactions that failed.")
    announcements = Counter("realtime_announcements_total", "Batches for other processes.", ["outcome"])
    batches = Counter("realtime_batches_total", "Batches that reached the follower.", ["outcome"])
    follower_position = Gauge(
        "realtime_follower_position",
        "Position up to which a process is complete; 0 before its first client.",
        multiprocess_mode="liveall",
    )
    resets = Counter("realtime_resets_total", "Resets sent to clients.", ["reason"])
    delivered = Counter("realtime_delivered_total", "Frames handed to subscribers.", ["transport"])
    subscribers = Gauge(
        "realtime_subscribers", "Clients that hear what comes.", ["transport"], multiprocess_mode="livesum"
    )
    closed = Counter("realtime_closed_total", "Connections closed by the server.", ["code"])
    refused = Counter("realtime_refused_total", "Connections refused before they began.", ["code"])
    limited = Counter("realtime_limited_total", "Times that a client went beyond a limit, by the setting.", ["limit"])
    connections = Gauge(
        "realtime_connections",
        "WebSockets and streams, those included that are not yet admitted.",
        multiprocess_mode="livesum",
    )
    connected_users = Gauge(
        "realtime_connected_users", "Users with a connection, on each process.", multiprocess_mode="livesum"
    )
    connected_addresses = Gauge(
        "realtime_connected_addresses", "Addresses with a connection, on each process.", multiprocess_mode="livesum"
    )
    acknowledged = Counter("realtime_acknowledged_total", "Events that a client has acknowledged.", ["transport"])
    given_again = Counter("realtime_given_again_total", "Unacknowledged events given again at connect.", ["transport"])
    wanting = Gauge(
        "realtime_wanting_events",
        "Events in a process's memory that want an acknowledgement.",
        multiprocess_mode="livemax",
    )
    latency = Histogram("realtime_commit_to_fanout_seconds", "From publishing to fan-out in this process.")


LOG_READABLE = ("realtime_log_readable", "Whether the database answered when this was asked.")
LOG_POSITION = ("realtime_log_position", "Position of the newest entry of the log.")
LOG_FLOOR = ("realtime_log_floor", "Oldest position from which a replay is whole.")
OUTBOX_AGE = ("realtime_outbox_age_seconds", "Seconds for which the oldest committed event has waited for its place.")

metrics = _Metrics()


def total(metric: Counter, **labels: str) -> float:
    """What a counter of this process has come to, over all of its labels or those with the given values."""
    return sum(
        sample.value
        for family in metric.collect()
        for sample in family.samples
        if sample.name.endswith("_total") and labels.items() <= sample.labels.items()
    )


def errors_so_far() -> float:
    """What went wrong in this process on our side: sequencing, announcing, hearing, serving."""
    return (
        total(metrics.sequence_errors)
        + total(metrics.announcements, outcome="failed")
        + total(metrics.batches, outcome="unreadable")
        + total(metrics.closed, code="1011")
    )
