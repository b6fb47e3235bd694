"""What the desk's pages are given to begin with, in the admin and in lists that keep an eye on themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.http import HttpRequest

from realtime.log import present_cursor


def desk_data(request: HttpRequest, urls: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """The place in the log before anything of the page was read, who looks, and where it asks."""
    return {"cursor": present_cursor(), "user": str(request.user.pk), "urls": dict(urls), **more}


def is_alone() -> bool:
    """Whether processes cannot hear each other: what is shown is of one of them, and orders reach no other."""
    layer = get_channel_layer()
    return layer is None or isinstance(layer, InMemoryChannelLayer)
