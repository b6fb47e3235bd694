"""How long a request is, where its body came in chunks and no header says so.

REST framework takes a body without a length for none: a change would be answered like one that was made.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

Answer = Callable[[HttpRequest], HttpResponse]


def measured(get_response: Answer) -> Answer:
    """Middleware that says it. A body of more than Django reads into memory is refused by that."""

    def answer(request: HttpRequest) -> HttpResponse:
        if "Transfer-Encoding" in request.headers and not request.META.get("CONTENT_LENGTH"):
            request.META["CONTENT_LENGTH"] = str(len(request.body))
        return get_response(request)

    return answer
