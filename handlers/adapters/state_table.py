"""The state table: one item per key, every change by compare-and-set."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from contract import state
from contract.ownership import INITIAL, Ownership
from handlers.adapters.answers import code_of
from handlers.core.errors import StateConflictError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

logger = logging.getLogger(__name__)

T = TypeVar("T")

ATTEMPTS = 5
"""Whoever loses a race reads the record again; nobody loses so often in a row."""
_to_dynamo = TypeSerializer().serialize
_from_dynamo = TypeDeserializer().deserialize


def _encoded(value: Any) -> Any:  # noqa: ANN401
    """DynamoDB's library takes no floats."""
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, Mapping):
        return {key: _encoded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encoded(item) for item in value]
    return value


def _decoded(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {key: _decoded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    return value


def _ownership(item: dict[str, Any] | None) -> Ownership:
    return INITIAL if item is None else Ownership.from_dict(item)


def _after(current: Ownership, moved: Ownership) -> Ownership:
    """What was moved, with a time after that of the record it replaces.

    Two functions write it by two clocks, and of the mirrors in the buckets the later one counts.
    """
    if moved == current or moved.rank > current.rank:
        return moved
    later = datetime.fromisoformat(current.updated_at) + timedelta(microseconds=1)
    return replace(moved, updated_at=later.isoformat())


@dataclass(frozen=True, slots=True)
class StateTable:
    """Reads and writes items as plain dictionaries."""

    client: "DynamoDBClient"
    name: str

    def get(self, pk: str) -> dict[str, Any] | None:
        found = self.client.get_item(
            TableName=self.name, Key={state.PK: {"S": pk}}, ConsistentRead=True
        ).get("Item")
        if found is None:
            return None
        return {
            key: _decoded(_from_dynamo(value)) for key, value in found.items() if key != state.PK
        }

    def incident(self, incident_id: str) -> dict[str, Any]:
        """An incident's item; empty if there is none."""
        return self.get(state.incident(incident_id)) or {}

    def put(self, pk: str, item: Mapping[str, Any], *, expected: Mapping[str, Any] | None) -> None:
        """Write an item if the stored one has the `expected` attributes; None: if there is none.

        Raises:
            StateConflictError: the stored item is another one.
        """
        if expected is None:
            condition, names, values = "attribute_not_exists(#pk)", {"#pk": state.PK}, {}
        else:
            pairs = list(expected.items())
            condition = " AND ".join(f"#k{i} = :v{i}" for i in range(len(pairs)))
            names = {f"#k{i}": key for i, (key, _) in enumerate(pairs)}
            values = {f":v{i}": _to_dynamo(_encoded(value)) for i, (_, value) in enumerate(pairs)}
        self._conditionally(
            pk,
            self.client.put_item,
            Item={
                state.PK: {"S": pk},
                **{key: _to_dynamo(_encoded(value)) for key, value in item.items()},
            },
            ConditionExpression=condition,
            ExpressionAttributeNames=names,
            **({"ExpressionAttributeValues": values} if values else {}),
        )

    def change(
        self,
        pk: str,
        change: Callable[[dict[str, Any] | None], tuple[Mapping[str, Any] | None, T]],
        *,
        told_by: Sequence[str] = (),
    ) -> T:
        """Replace an item by what `change` makes of it, whoever else writes at the same time.

        Args:
            change: gives the new item, or None to leave it as it is, and what to return.
            told_by: attributes that tell whether the stored item is still the same; all by default.

        Raises:
            StateConflictError: it kept changing.
        """
        for _ in range(ATTEMPTS):
            stored = self.get(pk)
            item, answer = change(stored)
            if item is None:
                return answer
            same = None if stored is None else {key: stored[key] for key in told_by or stored}
            try:
                self.put(pk, item, expected=same)
            except StateConflictError:
                continue
            return answer
        raise StateConflictError(f"{pk} kept changing in {self.name}")

    def set(self, pk: str, changes: Mapping[str, Any], *, expected: Mapping[str, Any]) -> None:
        """Set some attributes of an item that has the `expected` ones.

        Raises:
            StateConflictError: there is no such item, or it is another one.
        """
        attributes = [*changes.items(), *expected.items()]
        sets = ", ".join(f"#a{i} = :a{i}" for i in range(len(changes)))
        conditions = [f"#a{i} = :a{i}" for i in range(len(changes), len(attributes))]
        self._conditionally(
            pk,
            self.client.update_item,
            Key={state.PK: {"S": pk}},
            UpdateExpression=f"SET {sets}",
            ConditionExpression=" AND ".join([f"attribute_exists({state.PK})", *conditions]),
            ExpressionAttributeNames={f"#a{i}": key for i, (key, _) in enumerate(attributes)},
            ExpressionAttributeValues={
                f":a{i}": _to_dynamo(_encoded(value)) for i, (_, value) in enumerate(attributes)
            },
        )

    def add_to_timeline(self, incident_id: str, key: str, entry: Mapping[str, Any]) -> bool:
        """Write an entry of an incident's timeline unless it is there; return whether it is new.

        Raises:
            StateConflictError: there is no such incident.
        """
        before = self._conditionally(
            state.incident(incident_id),
            self.client.update_item,
            Key={state.PK: {"S": state.incident(incident_id)}},
            UpdateExpression="SET timeline.#key = if_not_exists(timeline.#key, :entry)",
            ConditionExpression="attribute_exists(timeline)",
            ExpressionAttributeNames={"#key": key},
            ExpressionAttributeValues={":entry": _to_dynamo(_encoded(entry))},
            ReturnValues="ALL_OLD",
        )
        return key not in _from_dynamo(before["Attributes"]["timeline"])

    def ownership(self) -> tuple[Ownership, dict[str, Any] | None]:
        """The record, and what `put` must expect to replace it."""
        item = self.get(state.OWNERSHIP)
        return _ownership(item), item

    def change_ownership(self, change: Callable[[Ownership], Ownership]) -> Ownership:
        """Replace the record by what `change` makes of it, whoever else writes at the same time.

        Raises:
            StateConflictError: it kept changing.
        """

        def moved(
            stored: dict[str, Any] | None,
        ) -> tuple[dict[str, Any] | None, tuple[Ownership, bool]]:
            current = _ownership(stored)
            found = _after(current, change(current))
            is_new = stored is None or found != current
            return asdict(found) if is_new else None, (found, is_new)

        record, is_new = self.change(state.OWNERSHIP, moved)
        if is_new:
            logger.info("epoch %s belongs to %s, %s", record.epoch, record.owner, record.state)
        return record

    def _conditionally(self, pk: str, call: Any, **arguments: Any) -> Any:  # noqa: ANN401
        try:
            return call(TableName=self.name, **arguments)
        except self.client.exceptions.ClientError as error:
            if code_of(error) == "ConditionalCheckFailedException":
                raise StateConflictError(f"{pk} is not as expected in {self.name}") from error
            raise
