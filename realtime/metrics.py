"""The names and meanings of what is measured. A metric's name stands here and nowhere else."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram


class _Metrics:
    """Every metric of the app; exposed by whatever the host project uses for prometheus_client."""

    sequenced = Counter("realtime_sequenced_total", "Entries given their place in the log by this process.")
    sequence_errors = Counter("realtime_sequence_errors_total", "Sequencing transactions that failed.")
    announcements = Counter("realtime_announcements_total", "Batches for other processes.", ["outcome"])
    batches = Counter("realtime_batches_total", "Batches that reached the follower.", ["outcome"])
    follower_position = Gauge("realtime_follower_position", "Position up to which this process is complete.")
    resets = Counter("realtime_resets_total", "Resets sent to clients.", ["reason"])
    delivered = Counter("realtime_delivered_total", "Frames handed to subscribers.", ["transport"])
    subscribers = Gauge("realtime_subscribers", "Clients connected to this process.", ["transport"])
    closed = Counter("realtime_closed_total", "Connections closed by the server.", ["code"])
    refused = Counter("realtime_refused_total", "Connections refused before they began.", ["code"])
    limited = Counter("realtime_limited_total", "Times that a client went beyond a limit, by the setting.", ["limit"])
    connections = Gauge("realtime_connections", "WebSockets and streams, those included that are not yet admitted.")
    connected_users = Gauge("realtime_connected_users", "Users with a connection.")
    connected_addresses = Gauge("realtime_connected_addresses", "Addresses with a connection.")
    latency = Histogram("realtime_commit_to_fanout_seconds", "From publishing to fan-out in this process.")


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
