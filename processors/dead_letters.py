"""Poison: set aside one by one, until there is so much of it that the mistake must be ours."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from processors.envelopes import Message


class SetAsideFailed(Exception):
    """Kafka did not take a dead letter; the message says what to do. Try again later."""


class TooManyDeadLetters(Exception):
    """So many recent messages are poison that setting them aside would empty the topic: stop and let people look."""


@dataclass(slots=True, frozen=True)
class DeadLetter:
    """A message that cannot be processed, and why.

    `reason` says what is wrong; from its first colon on it may quote the message.
    """

    message: Message
    reason: str

    @property
    def kind(self) -> str:
        """The reason without what it may quote: fit for a log, which holds no personal data."""
        return self.reason.partition(":")[0]


class DeadLetterLimit:
    """Bounds the share of dead letters among the last `window` messages.

    The first `allowance` of them within the window never stop anything, so that a single bad message among few
    does not.
    """

    def __init__(self, share: float, window: int, allowance: int) -> None:
        self._share = share
        self._window = window
        self._allowance = allowance
        self._recent: deque[tuple[int, int]] = deque()
        self._messages = 0
        self._dead = 0

    def check(self, messages: int, dead: int) -> None:
        """Raises `TooManyDeadLetters` if a flush of `messages`, `dead` of them poison, would be too many."""
        all_dead, all_messages = self._dead + dead, self._messages + messages
        if dead and all_dead > self._allowance and all_dead > self._share * all_messages:
            raise TooManyDeadLetters(
                f"{all_dead} of the last {all_messages} messages cannot be processed, more than the limit of "
                f"{self._share:.0%}; nothing more is set aside. Deploy a processor that understands them, or raise "
                "CONVERGIO_DEAD_LETTER_SHARE to have them dead-lettered"
            )

    def note(self, messages: int, dead: int) -> None:
        """Takes note of a flush whose dead letters are set aside; one that is tried again must not count again."""
        self._recent.append((messages, dead))
        self._messages += messages
        self._dead += dead
        while self._recent and self._messages - self._recent[0][0] >= self._window:
            old_messages, old_dead = self._recent.popleft()
            self._messages -= old_messages
            self._dead -= old_dead
