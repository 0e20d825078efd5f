"""The plan of a flush: what its messages ask for, as steps that run in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from processors.dead_letters import DeadLetter
from processors.envelopes import ErasureRequest, EventBatch, Message, Poison, decode


@dataclass(slots=True, frozen=True, eq=False)
class Store:
    """Store the events of some messages as one block."""

    batches: list[EventBatch]

    def halves(self) -> list[Store]:
        """The same as two smaller blocks."""
        middle = len(self.batches) // 2
        return [Store(self.batches[:middle]), Store(self.batches[middle:])]


@dataclass(slots=True, frozen=True, eq=False)
class Erase:
    """Erase a user. Everything before it in the same partition must be stored first."""

    request: ErasureRequest


Step = Store | Erase


@dataclass(slots=True)
class Plan:
    """The steps that are not done yet, and the messages to dead-letter once all of them are."""

    steps: list[Step]
    letters: list[DeadLetter]

    def refuse(self, refused: Step, reason: str) -> None:
        """A step cannot be carried out: halves a block; a single message becomes a dead letter."""
        index = next(index for index, step in enumerate(self.steps) if step is refused)
        if isinstance(refused, Store) and len(refused.batches) > 1:
            self.steps[index : index + 1] = refused.halves()
            return
        del self.steps[index]
        message = refused.batches[0].message if isinstance(refused, Store) else refused.request.message
        self.letters.append(DeadLetter(message, reason))

    def leave_out(self, partitions: Iterable[int]) -> None:
        """Drops what belongs to partitions that were revoked."""
        revoked = set(partitions)
        if not revoked:
            return
        kept: list[Step] = []
        for step in self.steps:
            if isinstance(step, Store):
                batches = [batch for batch in step.batches if batch.message.partition not in revoked]
                if batches:
                    kept.append(Store(batches))
            elif step.request.message.partition not in revoked:
                kept.append(step)
        self.steps = kept
        self.letters = [letter for letter in self.letters if letter.message.partition not in revoked]


def plan(messages: Iterable[Message]) -> Plan:
    """Decodes messages, in the order of their offsets, into the steps to take."""
    steps: list[Step] = []
    letters: list[DeadLetter] = []
    waiting: list[EventBatch] = []
    for message in messages:
        try:
            request = decode(message)
        except Poison as poison:
            letters.append(DeadLetter(message, str(poison)))
            continue
        if isinstance(request, EventBatch):
            waiting.append(request)
        else:
            if waiting:
                steps.append(Store(waiting))
                waiting = []
            steps.append(Erase(request))
    if waiting:
        steps.append(Store(waiting))
    return Plan(steps, letters)
