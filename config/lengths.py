"""How long a request is, where its body came in chunks and no header says so.

REST framework takes a body without a length for none: a change would be answered like one that was made.
"""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.utils.decorators import sync_and_async_middleware

Answer = Callable[[HttpRequest], Any]


@sync_and_async_middleware  # one that is only one of them costs each request a change of threads
def measured(get_response: Answer) -> Answer:
    """Middleware that says it. A body of more than Django reads into memory is refused by that."""

    def answer(request: HttpRequest) -> Any:
        _measure(request)
        return get_response(request)

    async def answer_async(request: HttpRequest) -> Any:
        _measure(request)
        return await get_response(request)

    return answer_async if iscoroutinefunction(get_response) else answer


def _measure(request: HttpRequest) -> None:
    if "Transfer-Encoding" in request.headers and not request.META.get("CONTENT_LENGTH"):
        request.META["CONTENT_LENGTH"] = str(len(request.body))
