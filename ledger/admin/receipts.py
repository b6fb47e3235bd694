"""Who has confirmed a notice.

Apart from the notices because it is `realtime` that knows: here only stands what their events are about.
"""

from __future__ import annotations

from ledger.events import notice_name
from ledger.models import Notification
from realtime.receipts_admin import ConfirmationsMixin


class NoticeReceipts(ConfirmationsMixin):
    """Gives each notice a page of receipts."""

    def about(self, obj: Notification) -> str:
        """What the events of a notice are about."""
        return notice_name(obj.pk)
