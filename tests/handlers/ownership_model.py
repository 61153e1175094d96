"""Two sites, their mirrors, orders and recoveries as one value, and all that can happen next.

The decisions are the product's own: which incident may begin (`course`), the moves of the record
(`handlers.core.ownership`), what replaces a mirror, what an agent goes by (`newest`) and which
orders it takes (`decide`). Around them anything may go wrong: a recovery dies between any two of
its steps, or is given up and still runs beside the next one; a mirror is not written, or late and
by somebody who read an old record; an agent reads none of the mirrors, or an old version of one;
an order is carried out late, again and again, or long after its recovery is over.

What cannot matter here is left out, so that the search is whole: pausing (an agent that is not the
owner pauses anyway, and less running is never a fault), what the standby does (it moves neither
owner nor epoch), and planned moves, which move the record as a failover does.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

from contract.lifecycle import SiteState
from contract.orders import Order, OrderKind
from contract.ownership import INITIAL, Ownership
from contract.sites import InFlightRule, Site, Strategy
from contract.state import IncidentKind, incident_id
from handlers.core import ownership
from handlers.core.errors import RequestError, StepError
from handlers.core.incidents import course
from mwaa_dr_site import inbox, knowledge

NOW = datetime(2026, 11, 26, tzinfo=UTC)
LATER = (NOW + timedelta(hours=1)).isoformat()
KINDS = (IncidentKind.FAILOVER, IncidentKind.RESTORE)


class Run(NamedTuple):
    """A recovery and what it does next: begin, un-pause or finish."""

    incident: str
    owner: Site
    target: Site
    epoch: int
    step: str = "begin"


class Told(NamedTuple):
    """An un-pause order in a site's bucket; it stays there."""

    site: Site
    epoch: int


class Place(NamedTuple):
    """A site: the epoch it remembers, and the one its DAGs run on; 0 while they are paused."""

    remembers: int
    runs_on: int


class World(NamedTuple):
    """Everything there is.

    Args:
        owners: of every epoch that there was; the first is epoch 1.
        mirrors: the epoch of the mirror in each site's bucket.
    """

    record: Ownership
    owners: tuple[Site, ...]
    mirrors: tuple[int, int]
    sites: tuple[Place, Place]
    orders: frozenset[Told]
    runs: tuple[Run, ...]
    begun: int


BOTH = tuple(Site)
START = World(
    record=replace(INITIAL, updated_at="0001"),
    owners=(Site.PRIMARY,),
    mirrors=(1, 1),
    sites=(Place(1, 1), Place(1, 0)),
    orders=frozenset(),
    runs=(),
    begun=0,
)


@cache
def _newest(*records: Ownership) -> Ownership:
    return knowledge.newest(*records)


@cache
def _takes(given_in: int, known: int) -> bool:
    order = Order("x", OrderKind.UNPAUSE, Site.DR, given_in, NOW.isoformat(), LATER)
    return inbox.decide(order, None, known, NOW).action is inbox.Action.CARRY_OUT


@dataclass(frozen=True, slots=True)
class Rules:
    """What the product decides; a test takes one away to see that the model notices."""

    newest: Callable[..., Ownership] = _newest
    takes: Callable[[int, int], bool] = _takes
    only_as_owner: bool = True
    begin: Callable[..., Ownership] = ownership.begin
    replaces: Callable[[Ownership, Ownership], bool] = ownership.is_newer


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far the search goes.

    Args:
        moves: incidents; each gives at most one epoch.
        at_work: recoveries beside each other: one, and those that were given up.
    """

    moves: int
    at_work: int


def following(world: World, rules: Rules, bounds: Bounds) -> Iterator[tuple[str, World]]:
    """Everything that can happen next."""
    if world.begun < bounds.moves and len(world.runs) < bounds.at_work:
        yield from _opened(world)
    for run in world.runs:
        yield from _goes_on(world, run, rules)
        yield f"{run.incident} dies", _without(world, run)
    for site in BOTH:
        yield from _mirrored(world, site, rules)
        yield from _beats(world, site, rules)


def _opened(world: World) -> Iterator[tuple[str, World]]:
    for kind in KINDS:
        wanted = "backup" if kind is IncidentKind.RESTORE else ""
        try:
            way = course(kind, world.record, Strategy.ACTIVE_PASSIVE, wanted, InFlightRule.FAIL)
        except RequestError:
            continue
        epoch = world.record.epoch
        run = Run(incident_id(epoch, world.begun + 1, kind), way.owner, way.target, epoch)
        opened = world._replace(runs=(*world.runs, run), begun=world.begun + 1)
        yield f"{run.incident} opens", opened


def _goes_on(world: World, run: Run, rules: Rules) -> Iterator[tuple[str, World]]:
    if run.step == "begin":
        undo = _told(_without(world, run), Told(run.owner, run.epoch))
        yield f"{run.incident} undoes itself", undo
        try:
            moved = rules.begin(
                world.record,
                site=run.target,
                epoch=run.epoch,
                incident_id=run.incident,
                at=f"{run.epoch + 1:04d}",
            )
        except StepError:
            return
        yield f"{run.incident} promotes {run.target}", _at(_written(world, moved), run, "unpause")
    elif run.step == "unpause":
        told = _told(_at(world, run, "finish"), Told(run.target, run.epoch + 1))
        yield f"{run.incident} has {run.target} un-pause", told
    else:
        at = world.record.updated_at
        try:
            done = ownership.finish(world.record, site=run.target, incident_id=run.incident, at=at)
        except StepError:
            return
        yield f"{run.incident} finishes", _without(world, run)._replace(record=done)


def _mirrored(world: World, site: Site, rules: Rules) -> Iterator[tuple[str, World]]:
    """Whoever has read the record at some time writes the mirror now."""
    seen = world.mirrors[BOTH.index(site)]
    for epoch in range(1, len(world.owners) + 1):
        if epoch != seen and rules.replaces(_said(world, epoch), _said(world, seen)):
            pair = (epoch, world.mirrors[1]) if site is BOTH[0] else (world.mirrors[0], epoch)
            yield f"the mirror in {site} is of epoch {epoch}", world._replace(mirrors=pair)


def _beats(world: World, site: Site, rules: Rules) -> Iterator[tuple[str, World]]:
    """The agent of `site` runs once: it reads none, one or both mirrors, any version of each.

    Whatever it can read at best, it may also read less: nothing counts as the first epoch.
    """
    place = world.sites[BOTH.index(site)]
    best = max(world.mirrors[BOTH.index(one)] for one in (site, Site.DR))
    for read in range(1, best + 1):
        known = rules.newest(_said(world, place.remembers), _said(world, read))
        own = known.owned_by(site)
        runs_on = known.epoch if own and place.runs_on else 0
        yield f"{site} reads epoch {read}", _with(world, site, Place(known.epoch, runs_on))
        for told in world.orders:
            if (
                told.site is site
                and rules.takes(told.epoch, known.epoch)
                and (own or not rules.only_as_owner)
            ):
                running = Place(known.epoch, known.epoch)
                yield f"{site} reads epoch {read} and un-pauses", _with(world, site, running)


def _said(world: World, epoch: int) -> Ownership:
    """What a mirror of that epoch says."""
    return _of(world.owners[epoch - 1], epoch)


@cache
def _of(owner: Site, epoch: int) -> Ownership:
    return Ownership(owner, epoch, SiteState.ACTIVE, "", f"{epoch:04d}")


def _written(world: World, record: Ownership) -> World:
    if record == world.record:
        return world
    return world._replace(record=record, owners=(*world.owners, record.owner))


def _told(world: World, told: Told) -> World:
    return world._replace(orders=world.orders | {told})


def _at(world: World, run: Run, step: str) -> World:
    moved = (one._replace(step=step) if one is run else one for one in world.runs)
    return world._replace(runs=tuple(moved))


def _without(world: World, run: Run) -> World:
    return world._replace(runs=tuple(one for one in world.runs if one is not run))


def _with(world: World, site: Site, place: Place) -> World:
    sites = (place, world.sites[1]) if site is BOTH[0] else (world.sites[0], place)
    return world._replace(sites=sites)


def fault(before: World, after: World) -> str:
    """What must never be true, of one step; empty if all is well."""
    if after.record.epoch != len(after.owners):
        return "the record's epoch is not the next one"
    if any(new < old for old, new in zip(before.mirrors, after.mirrors, strict=True)):
        return "a mirror goes back"
    running = [place.runs_on for place in after.sites if place.runs_on]
    if len(running) != len(set(running)):
        return "two sites run on one epoch"
    each = zip(BOTH, before.sites, after.sites, strict=True)
    return next((wrong for one in each if (wrong := _fault_at(*one, after.owners))), "")


def _fault_at(site: Site, was: Place, now: Place, owners: tuple[Site, ...]) -> str:
    runs_on = now.runs_on
    if now.remembers < was.remembers:
        return f"{site} forgot epoch {was.remembers}"
    if runs_on and (runs_on > len(owners) or owners[runs_on - 1] is not site):
        return f"{site} runs on an epoch that is not its own"
    if runs_on and runs_on < now.remembers:
        return f"{site} runs on an epoch though it read a higher one"
    if runs_on and runs_on < was.runs_on:
        return f"{site} goes back to an earlier epoch"
    return ""


@dataclass(frozen=True)
class Explored:
    """What a search found: how many worlds, and the shortest way to a fault, if there is one."""

    worlds: int
    epochs: int
    fault: str = ""
    way: tuple[str, ...] = ()


def explore(rules: Rules, bounds: Bounds) -> Explored:
    """Breadth first through everything that can happen, up to the first fault."""
    came: dict[World, tuple[World | None, str]] = {START: (None, "")}
    front, epochs = deque([START]), 1
    while front:
        world = front.popleft()
        for name, after in following(world, rules, bounds):
            if after in came:
                continue
            came[after] = (world, name)
            wrong = fault(world, after)
            if wrong:
                return Explored(len(came), epochs, wrong, _way(came, after))
            front.append(after)
            epochs = max(epochs, len(after.owners))
    return Explored(len(came), epochs)


def _way(came: dict[World, tuple[World | None, str]], world: World) -> tuple[str, ...]:
    steps: list[str] = []
    at: World | None = world
    while at is not None:
        at, name = came[at]
        steps.append(name)
    return tuple(reversed(steps[:-1]))
