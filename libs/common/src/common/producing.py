"""Rows of the outbox → Kafka, a batch a partition: a future, a hash and a share of a request for every record would be
most of what a relay costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordTooLargeError
from aiokafka.partitioner import murmur2

MAX_REQUEST_BYTES = 4 << 20
BATCH_BYTES = 256 << 10
"""Of a batch; a record that alone is larger has one to itself, so that a broker refuses it and not its neighbours."""
TOO_LARGE = (MessageSizeTooLargeError, RecordTooLargeError)

Where = tuple[str, int]
"""Topic and partition."""
Refused = list[tuple[Any, str]]
"""Rows that Kafka will never take, and why."""


class Producing:
    """Hands rows to a started producer. `singly`: each in a batch of its own, to learn which one is too large."""

    def __init__(self, producer: AIOKafkaProducer, *, singly: bool = False) -> None:
        self._producer = producer
        self._singly = singly
        self.spent = False
        """Whether the broker refused a batch: its number counts as used here and not there, so that all that follows
        would be refused, too. Go on with another producer, singly."""

    async def send(self, rows: Iterable[Any]) -> tuple[list[Any], Refused]:
        """Send rows (topic, key, headers, body), each partition's in order, and wait for all acknowledgements.

        Returns those that are there and those that never will be; the others, if the producer is spent, are to be sent
        again. Raises KafkaError where nothing is known: then all are.
        """
        refused: Refused = []
        waiting: list[tuple[list[Any], asyncio.Future[Any]]] = []
        for (topic, partition), held in (await self._dealt(rows)).items():
            while held:
                batch, taken = self._batch(held, refused)
                if taken:
                    waiting.append((taken, await self._submit(batch, topic, partition)))
        answers = await asyncio.gather(*(future for _, future in waiting), return_exceptions=True)
        self.spent = any(isinstance(answer, TOO_LARGE) for answer in answers)
        delivered: list[Any] = []
        for (taken, _), answer in zip(waiting, answers, strict=True):
            if not isinstance(answer, BaseException):
                delivered += taken
            elif not self.spent:
                raise answer
            elif isinstance(answer, TOO_LARGE) and len(taken) == 1:
                refused.append((taken[0], repr(answer)))
        return delivered, refused

    async def _submit(self, batch: Any, topic: str, partition: int) -> asyncio.Future[Any]:
        """Its answer, also where what went before has failed already."""
        batch.close()
        try:
            answer: asyncio.Future[Any] = await self._producer.send_batch(batch, topic, partition=partition)
        except KafkaError as error:
            answer = asyncio.get_running_loop().create_future()
            answer.set_exception(error)
        return answer

    async def _dealt(self, rows: Iterable[Any]) -> dict[Where, list[Any]]:
        """By partition; the last row first, so that the next is popped off the end."""
        partitions: dict[str, Sequence[int]] = {}
        found: dict[Where, list[Any]] = {}
        for row in rows:
            topic = row["topic"]
            among = partitions.get(topic)
            if among is None:
                among = partitions[topic] = sorted(await self._producer.partitions_for(topic))
            where = topic, among[_hash(row["key"]) % len(among)]
            held = found.get(where)
            if held is None:
                found[where] = [row]
            else:
                held.append(row)
        for held in found.values():
            held.reverse()
        return found

    def _batch(self, held: list[Any], refused: Refused) -> tuple[Any, list[Any]]:
        """A batch of as many of these rows as it takes."""
        batch = self._producer.create_batch()
        taken: list[Any] = []
        while held:
            row = held[-1]
            if taken and self._singly:
                break
            body = row["body"]
            if len(body) >= MAX_REQUEST_BYTES:
                refused.append((held.pop(), f"{len(body)} bytes are more than a request may have"))
                continue
            key, headers = row["key"].encode(), _headers(row["headers"])
            if batch.append(timestamp=None, key=key, value=body, headers=headers) is None:
                break
            taken.append(held.pop())
        return batch, taken


@lru_cache(maxsize=10_000)
def _hash(key: str) -> int:
    """As every Kafka client hashes a key, so that one client's records stay in one partition whoever writes them."""
    return int(murmur2(key.encode())) & 0x7FFFFFFF


@lru_cache(maxsize=1_000)
def _headers(written: str) -> list[tuple[str, bytes]]:
    """A handful of kinds, but for the traces."""
    return [(name, value.encode()) for name, value in orjson.loads(written).items()]
