"""The topics of this app.

Separate from ``access`` so that who only wants to write to a topic need not load who may read it.
"""

from __future__ import annotations

from uuid import UUID

from realtime.topics import Topic, topic


def family_topic(family_id: UUID | str) -> Topic:
    """``family:<id>``: what changes for a family, for its active members."""
    return topic("family", family_id)


def user_topic(user_id: UUID | str) -> Topic:
    """``user:<id>``: what is one user's own."""
    return topic("user", user_id)
