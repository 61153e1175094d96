"""Databases made by a real Airflow, copied from a template for each test."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from local import postgres
from tests.metadata import metadata_hard, metadata_versions, purge_airflow, purge_world
from tests.metadata.metadata_rows import Maker, plan_of
from tests.metadata.metadata_world import ROLE, Vault, World

VERSION = "2.10.3"
MODERN = "3.2.1"
TEMPLATE = "template_airflow"
FILLED = "template_filled"
QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
"""These databases live for one test, and nothing here measures them."""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Cluster]:
    """One cluster with a migrated template, and a role that may use the tables but owns nothing."""
    cluster = postgres.start(tmp_path_factory.mktemp("metadata") / "data", settings=QUICK)
    try:
        with cluster.connect("postgres") as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{cluster.password}'")
        connection.close()
        make_template(cluster, TEMPLATE, (VERSION,), tmp_path_factory.mktemp("airflow"))
        yield cluster
    finally:
        cluster.destroy()


def make_template(cluster: postgres.Cluster, name: str, chain: tuple[str, ...], home: Path) -> None:
    """A database that the Airflow versions of `chain` migrated, open to the role of the engine."""
    metadata_versions.migrate(chain, cluster.create_database(name), home)
    with cluster.connect(name) as connection, connection.cursor() as cursor:
        cursor.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {ROLE}")
        cursor.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {ROLE}")
    connection.close()


@pytest.fixture(scope="session")
def migrated(
    cluster: postgres.Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], str]:
    """Name of a supported database (`metadata_versions`) -> a template of it, made once."""

    @cache
    def template(name: str) -> str:
        made = f"template_{name}"
        home = tmp_path_factory.mktemp("airflow")
        make_template(cluster, made, metadata_versions.CHAINS[name], home)
        return made

    return template


@pytest.fixture(scope="session")
def lasting_world(
    cluster: postgres.Cluster, migrated: Callable[[str], str]
) -> Callable[[str], World]:
    """Makes environments of a supported database that tests share and therefore only read."""

    def make(name: str) -> World:
        world = f"lasting_{World.number()}"
        cluster_copy(cluster, migrated(name), world)
        return World(cluster, world)

    return make


@pytest.fixture(scope="session")
def filled_source(
    lasting_world: Callable[[str], World],
) -> Callable[..., tuple[World, Maker]]:
    """Name of a supported database -> one full of generated rows."""

    @cache
    def make(name: str, *, portable: bool) -> tuple[World, Maker]:
        world = lasting_world(name)
        maker = Maker(world, plan_of(world), portable=portable)
        maker.fill()
        return world, maker

    return make


@pytest.fixture(scope="session")
def hard_world(cluster: postgres.Cluster) -> World:
    """A template of an environment full of what breaks restores."""
    cluster_copy(cluster, TEMPLATE, FILLED)
    world = World(cluster, FILLED)
    metadata_hard.fill(world)
    world.close()
    return world


def cluster_copy(cluster: postgres.Cluster, template: str, name: str) -> None:
    connection = cluster.connect("postgres")
    connection.autocommit = True
    connection.cursor().execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    connection.close()


@pytest.fixture
def new_world(cluster: postgres.Cluster) -> Iterator[Callable[..., World]]:
    """Makes environments: a copy of a migrated database and a Fernet key of its own each."""
    made: list[World] = []

    def make(like: World | None = None, template: str = TEMPLATE) -> World:
        name = f"world_{World.number()}"
        cluster_copy(cluster, like.name if like else template, name)
        made.append(World(cluster, name, like.key) if like else World(cluster, name))
        return made[-1]

    yield make
    for world in made:
        world.drop()


@pytest.fixture
def source(new_world: Callable[..., World]) -> World:
    return new_world()


@pytest.fixture
def filled(new_world: Callable[..., World], hard_world: World) -> World:
    return new_world(hard_world)


@pytest.fixture
def target(new_world: Callable[..., World]) -> World:
    return new_world()


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path)


@pytest.fixture(scope="session")
def told(
    cluster: postgres.Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], World]:
    """A template of each version, filled with the story; with the hard rows too where there are."""
    made: dict[str, World] = {}

    def make(version: str) -> World:
        if version not in made:
            name = f"template_purge_{version}"
            if version == VERSION:
                cluster_copy(cluster, TEMPLATE, name)
            else:
                home = tmp_path_factory.mktemp("purge")
                purge_airflow.airflow(version, cluster.create_database(name), home, "db", "migrate")
            world = made[version] = World(cluster, name)
            for kind in ("TABLES", "SEQUENCES"):
                world.sql(f"GRANT ALL ON ALL {kind} IN SCHEMA public TO {ROLE}")
            purge_world.fill(world)
            world.close()
        return made[version]

    return make


@pytest.fixture
def old(told: Callable[[str], World], new_world: Callable[..., World]) -> Callable[..., World]:
    return lambda version=VERSION: new_world(told(version))
