"""From changed rows to what is told about them: first the news, then the control entries.

Receivers of ``changed`` run inside the transaction of the change, once per row, whatever path wrote it.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver

from accounts import access, events, sessions
from accounts.models import NAMES, Family, Membership, User
from realtime import topics
from realtime.signals import changed


@receiver(changed, sender=Family)
def family_changed(before: Family | None, after: Family | None, **kwargs: Any) -> None:
    """Tell what became of a family."""
    if after is None:
        assert before is not None
        events.family_update(before, "deleted")
    else:
        events.family_update(after, "created" if before is None else "updated")


@receiver(changed, sender=Membership)
def membership_changed(before: Membership | None, after: Membership | None, **kwargs: Any) -> None:
    """Tell who joined, changed or left; an inactive membership counts as none."""
    was = before if before and before.is_active else None
    now = after if after and after.is_active else None
    if was and now and _same_place(was, now):
        events.membership_update(now, "changed")
        return
    # A row moved to another family or user is a leaving there and a joining here.
    if was:
        _left(was)
    if now:
        _joined(now)


@receiver(changed, sender=User)
def user_changed(before: User | None, after: User | None, **kwargs: Any) -> None:
    """Take and give back what hangs on being active or staff, end sessions that are no longer good, tell of names."""
    if before is None:
        return
    if before.is_active and not (after and after.is_active):
        _deactivated(before, after)
    elif after and after.is_active:
        if not before.is_active:
            _activated(after)
        elif before.is_staff != after.is_staff:
            _staff_changed(after)
        if before.password != after.password:
            events.sessions_ended(after.pk)
        _tell_name(before, after)
    if after and before.sign_outs != after.sign_outs:
        events.sessions_ended(after.pk)


@receiver(user_logged_out)
def user_signed_out(user: User | None, **kwargs: Any) -> None:
    """The sign-out page and the admin's end the same things as signing out over REST."""
    if user is not None:
        sessions.sign_out(user.pk)


def _same_place(was: Membership, now: Membership) -> bool:
    return (was.family_id, was.user_id) == (now.family_id, now.user_id)


def _joined(membership: Membership) -> None:
    # Rights first: who joins is replayed from the joining on, and may see it themselves. Of who is not active too: they
    # may be made so by a transaction that does not see this one, as this does not see that.
    through = access.topics_through(membership.user, membership.family_id)
    events.rights_changed(membership.user_id, gained=through)
    events.membership_update(membership, "joined")


def _left(membership: Membership) -> None:
    events.membership_update(membership, "left")
    through = access.topics_through(membership.user, membership.family_id)
    events.rights_changed(membership.user_id, lost=through)


def _deactivated(before: User, after: User | None) -> None:
    events.rights_changed(before.pk, lost=access.topics_held(before))
    if after is None:
        events.sessions_ended(before.pk)
    else:
        # Tokens made before must stay dead when the user is made active again. This also ends the sessions.
        sessions.sign_out(before.pk)


def _activated(after: User) -> None:
    # Beside what memberships give, what other apps let the user read as themselves: an account shared with them.
    others = sorted(topics.automatic(after))
    events.rights_changed(after.pk, gained=dict.fromkeys([*access.topics_held(after), *others]))


def _tell_name(before: User, after: User) -> None:
    """Have the families read another name again: it stands beside whatever the user entered, too."""
    if all(getattr(before, name) == getattr(after, name) for name in NAMES):
        return
    for membership in after.memberships.filter(is_active=True).order_by("pk"):
        events.membership_update(membership, "changed")


def _staff_changed(after: User) -> None:
    staff = topics.topic("staff")
    if after.is_staff:
        events.rights_changed(after.pk, gained=[staff])
    else:
        events.rights_changed(after.pk, lost=[staff])
        events.sessions_ended(after.pk)
