"""`mwaa-dr metadata` against databases made by a real Airflow."""

import json
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from cli.main import main
from contract import keys
from contract.lifecycle import SiteState
from contract.ownership import Ownership
from contract.sites import Site
from local.postgres import USER
from tests.metadata import metadata_hard as hard
from tests.metadata.metadata_world import ROLE, World, at

pytestmark = pytest.mark.airflow

REGION = "us-west-2"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without any settings."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AIRFLOW_VERSION", "AIRFLOW__CORE__FERNET_KEY",
                 "AWS_ENDPOINT_URL", "XDG_CONFIG_HOME"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("COLUMNS", "200")
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder)
    return folder


@dataclass
class Command:
    storage: str

    def __call__(
        self, verb: str, world: World | None, *arguments: str, key: str | None = None, **more: Any
    ) -> Result:
        url = [] if world is None else ["--database-url", world.url]
        environment = {"AIRFLOW__CORE__FERNET_KEY": key or (world.key if world else "")}
        return CliRunner().invoke(
            main,
            ["metadata", verb, *url, "--storage", self.storage, *arguments],
            env=environment,
            **more,
        )

    def answer(self, verb: str, world: World | None, *arguments: str) -> Any:
        result = self(verb, world, *arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(f"file://{tmp_path / 'backups'}")


def everything(world: World) -> dict[str, Any]:
    return {name: hard.rows(world, name) for name in hard.COMPARED}


def contents(world: World) -> list[tuple]:
    """Every row of every table."""
    tables = world.sql("SELECT relname FROM pg_class WHERE relkind = 'r' "
                       "AND relnamespace = 'public'::regnamespace ORDER BY 1")  # fmt: skip
    return [(table, world.sql(f'SELECT t::text FROM "{table}" t ORDER BY 1'))  # noqa: S608
            for (table,) in tables]  # fmt: skip


def test_an_environment_travels_from_one_database_to_another(filled, target, command):
    exported = command.answer("export", filled)
    assert exported["rows"] == sum(exported["tables"].values()) > 0
    assert exported["unreadable"] == []
    imported = command.answer("import", target)
    assert imported["backup"] == exported["backup"]
    assert everything(target) == everything(filled)
    assert hard.secrets(target) == hard.secrets(filled)
    assert {run["run_id"] for run in imported["interrupted"]} == {"live", "waiting"}
    checked = command.answer("verify", target)
    assert checked["usable"]
    assert all(table["matched"] for table in checked["tables"])


def test_a_forecast_needs_only_the_backup(filled, target, command):
    exported = command.answer("export", filled, "--airflow-version", "2.10.3")
    found = command.answer("forecast", None, "--in-flight", "rerun")
    taken_at = datetime.fromisoformat(exported["snapshot_at"])
    assert datetime.fromisoformat(found["snapshot_at"]) == taken_at
    assert found["in_flight"] == "rerun"
    cut_off = {run["run_id"] for dag in found["dags"] for run in dag["interrupted"]}
    imported = command.answer("import", target)
    assert cut_off == {run["run_id"] for run in imported["interrupted"]}
    fates = {run["fate"] for dag in found["dags"] for run in dag["interrupted"]}
    assert fates == {"rerun"}


def test_a_forecast_is_of_the_time_and_the_backup_that_were_named(filled, command):
    first = command.answer("export", filled)
    command.answer("export", filled, "--full")
    asked = ("--promoted-at", "2030-01-01T09:30", "--outage-at", "2030-01-01T10:00+01:00")
    found = command.answer("forecast", None, "--to", first["backup_id"], *asked)
    taken_at = datetime.fromisoformat(first["snapshot_at"])
    assert datetime.fromisoformat(found["snapshot_at"]) == taken_at
    assert found["promoted_at"] == "2030-01-01T09:30:00+00:00"
    assert found["until"] == "2030-01-01T10:30:00+00:00"
    assert found["outage_at"] == "2030-01-01T09:00:00+00:00"
    shown = command("forecast", None, "--to", first["backup_id"], *asked).output
    assert "forecast from 2030-01-01T09:30 to 2030-01-01T10:30 UTC, in-flight rule fail" in shown
    assert found["headline"] in shown
    assert re.search(r"busy +│.*\(fail\)", shown)
    refused = command("forecast", None, "--promoted-at", "soon")
    assert refused.exit_code == 2
    assert "'soon' is not a time" in refused.output


def test_importing_twice_is_once_and_asks_nothing(filled, target, command):
    command.answer("export", filled)
    command.answer("import", target)
    command.answer("import", target)
    assert everything(target) == everything(filled)
    assert hard.secrets(target) == hard.secrets(filled)


def test_people_see_tables(filled, target, command):
    shown = command("export", filled).output
    assert re.search(r"task_instance +│ +\d+", shown)
    assert "manifest.json" in shown
    shown = command("import", target).output
    for text in ("interrupted runs", "waiting", "`mwaa-dr rerun` runs them again", "yes"):
        assert text in shown
    shown = command("verify", target).output
    assert "objects are what the manifest says" in shown
    assert "matched" in shown


def test_the_first_export_makes_a_key_that_only_its_user_reads(filled, command, home):
    first = command("export", filled)
    key = home / ".config" / "mwaa-dr" / "seal.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert f"made a new sealing key: {key}" in first.stderr
    assert key.read_text().strip() not in first.output
    before = key.read_bytes()
    second = command("export", filled)
    assert "sealing key" not in second.output
    assert key.read_bytes() == before


def test_without_its_key_a_backup_says_which_one_it_needs(filled, target, command, home):
    command.answer("export", filled)
    (home / ".config" / "mwaa-dr" / "seal.key").unlink()
    result = command("import", target)
    assert result.exit_code == 1
    assert "--seal-key" in result.output
    other = home / "other.key"
    command("export", filled, "--seal-key", str(other), "--storage", f"file://{home / 'b'}")
    result = command("import", target, "--seal-key", str(other))
    assert result.exit_code == 1
    assert "was not sealed by file:" in result.output
    assert "--to" in result.output


def test_a_key_among_its_backups_is_refused(filled, command, tmp_path):
    result = command("export", filled, "--seal-key", str(tmp_path / "backups" / "seal.key"))
    assert result.exit_code == 2
    assert "keep it elsewhere" in result.output


@pytest.mark.parametrize("content", [b"not a key", b"\xff\xfe"])
def test_a_spoilt_key_file_is_refused_without_showing_it(filled, command, home, content):
    (home / "k").write_bytes(content)
    result = command("export", filled, "--seal-key", str(home / "k"))
    assert result.exit_code == 2
    assert "is not a sealing key" in result.output
    assert "not a key" not in result.output


def test_a_dry_export_writes_nothing_and_counts_as_in_earnest(filled, command, tmp_path, home):
    rehearsed = command.answer("export", filled, "--dry-run")
    assert list(tmp_path.rglob("*.copy.*")) == []
    assert not (tmp_path / "backups").exists()
    assert list(home.rglob("*.key")) == []
    done = command.answer("export", filled)
    assert done["tables"] == rehearsed["tables"]
    assert not done["dry_run"]
    assert "nothing was written" in command("export", filled, "--dry-run").output


def test_a_dry_import_changes_nothing_and_says_what_would_change(filled, target, command):
    command.answer("export", filled)
    before = contents(target)
    result = command.answer("import", target, "--dry-run", "--in-flight", "rerun", "--unpause")
    assert contents(target) == before
    changes = {change["table"]: change for change in result["changes"]}
    assert result["unparked"]["tasks"] > 0
    done = command.answer("import", target)
    assert [check["present"] for check in done["tables"]] == [
        check["present"] for check in result["tables"]
    ]
    for table in ("variable", "xcom", "dag_run", "log"):
        assert changes[table]["inserted"] == target.one(f"SELECT count(*) FROM {table}"), table  # noqa: S608
    target.sql("UPDATE dag_run SET state = 'failed' WHERE dag_id = 'busy' AND run_id = 'done'")
    again = command.answer("import", target, "--dry-run", "--phase", "resume")
    assert {change["table"]: change for change in again["changes"]}["dag_run"] == {
        "table": "dag_run", "inserted": 0, "updated": 1, "deleted": 0,
    }  # fmt: skip


def test_a_dry_import_meets_the_same_refusals(filled, target, command):
    command.answer("export", filled)
    target.sql("UPDATE alembic_version SET version_num = 'other'")
    result = command("import", target, "--dry-run")
    assert result.exit_code == 1
    assert "the target {'alembic_version': 'other'}" in result.output


def test_in_flight_work_runs_again_and_dags_are_un_paused_as_asked(filled, target, command):
    command.answer("export", filled)
    result = command.answer("import", target, "--in-flight", "rerun", "--unpause")
    assert dict(target.sql("SELECT run_id, state FROM dag_run WHERE dag_id = 'busy'")) == {
        "live": "queued", "waiting": "queued", "done": "success",
    }  # fmt: skip
    active = filled.sql("SELECT dag_id FROM dag WHERE NOT is_paused AND dag_id !~ '^mwaa_dr_'")
    assert sorted(result["unpaused"]["unpaused"]) == sorted(row[0] for row in active)
    assert dict(target.sql("SELECT dag_id, is_paused FROM dag"))["paused"]


def test_history_may_come_later(filled, target, command):
    command.answer("export", filled)
    command.answer("import", target, "--phase", "resume")
    assert command("verify", target).exit_code == 1
    assert command("verify", target, "--phase", "resume").exit_code == 0
    command.answer("import", target, "--phase", "history")
    assert command("verify", target).exit_code == 0
    result = command("import", target, "--phase", "history", "--unpause")
    assert result.exit_code == 2


def test_a_live_target_is_restored_into_only_if_somebody_says_so(filled, target, command):
    command.answer("export", filled)
    target.dag("sales")
    target.run("sales", "own")
    before = contents(target)
    for arguments in ((), ("--json",)):
        result = command("import", target, *arguments)
        assert result.exit_code == 1
        assert "1 DAGs are not paused and have run (sales)" in result.output
        assert "--yes" in result.output
    assert contents(target) == before
    assert command("import", target, "--yes").exit_code == 0
    assert target.one("SELECT is_paused FROM dag WHERE dag_id = 'sales'")


def test_a_difference_is_shown_and_is_an_error(filled, target, command):
    command.answer("export", filled)
    command.answer("import", target)
    target.sql("UPDATE xcom SET value = 'x' WHERE key = 'empty' AND run_id = 'scheduled__2'")
    result = command("verify", target, "--json")
    assert result.exit_code == 1
    wrong = [table for table in json.loads(result.stdout)["tables"] if not table["matched"]]
    assert {table["table"] for table in wrong} == {"xcom"}
    assert "NO" in command("verify", target).output


def test_an_altered_backup_does_not_verify_nor_import(filled, target, command, tmp_path):
    command.answer("export", filled)
    victim = next((tmp_path / "backups").rglob("resume/variable*"))
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    result = command("verify", None)
    assert result.exit_code == 1
    assert "resume/variable" in result.output
    before = contents(target)
    result = command("import", target)
    assert result.exit_code == 1
    assert "Nothing was changed" in result.output
    assert contents(target) == before


def test_a_backup_is_chosen_by_id_or_time(source, target, command):
    source.dag("sales")
    source.run("sales", "r")
    ids = []
    for n in range(3):
        source.insert("variable", {"key": f"v{n}", "val": "x", "is_encrypted": False})
        ids.append(command.answer("export", source)["backup_id"])
    between = keys.backup_time(ids[2]) - timedelta(microseconds=1)
    for to, expected in (
        (ids[0], 1),
        (between.isoformat(), 2),
        (between.replace(tzinfo=None).isoformat(), 2),
        (ids[2], 3),
        (datetime.now(UTC).isoformat(), 3),
    ):
        checked = command.answer("verify", None, "--to", to)
        assert checked["manifest_key"].split("/")[-2] == ids[expected - 1], to
    # A backup that had begun by then but whose snapshot is later does not count.
    begun = (keys.backup_time(ids[1]) + timedelta(microseconds=1)).isoformat()
    assert ids[0] in command.answer("verify", None, "--to", begun)["manifest_key"]
    for to, text in (("2001-01-01", "No backup is as old"), ("nonsense", ids[2])):
        result = command("verify", None, "--to", to)
        assert result.exit_code == 1
        assert text in result.output
    assert command.answer("import", target)["backup"].split("/")[-2] == ids[2]


def test_without_a_fernet_key_an_export_with_secrets_is_an_error(filled, command):
    result = command("export", filled, key=" ")
    assert result.exit_code == 1
    assert "AIRFLOW__CORE__FERNET_KEY is not set" in result.output


def test_without_a_fernet_key_secrets_are_not_imported(filled, target, command):
    command.answer("export", filled)
    result = command("import", target, key=" ")
    assert result.exit_code == 1
    assert "AIRFLOW__CORE__FERNET_KEY" in result.output


def test_a_malformed_fernet_key_is_wrong_usage_and_not_shown(filled, command):
    result = command("export", filled, key="sesame-open")
    assert result.exit_code == 2
    assert "url-safe base64" in result.output
    assert "sesame" not in result.output


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda url: url.replace(f"//{ROLE}:", "//nobody:"), "nobody"),
        (lambda url: re.sub(r":\d+/", ":1/", url), "port 1 failed"),
        (lambda url: re.sub(r"/[^/]+$", "/nowhere", url), '"nowhere" does not exist'),
    ],
)  # fmt: skip
def test_a_database_that_cannot_be_reached_is_named_without_its_password(
    filled, command, change: Callable[[str], str], text: str
):
    result = CliRunner().invoke(
        main,
        ["metadata", "export", "--storage", command.storage],
        env={"MWAA_DR_DATABASE_URL": change(filled.url)},
    )
    assert result.exit_code == 1
    assert text in result.output
    assert filled.cluster.password not in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "url", ["mysql://u:hunter2@h/d", "hunter2", "postgresql://u:hunter2@h:port/d"]
)
def test_a_url_of_another_kind_is_wrong_usage(command, url):
    result = CliRunner().invoke(
        main, ["metadata", "export", "--storage", command.storage, "--database-url", url]
    )
    assert result.exit_code == 2
    assert "hunter2" not in result.output


def test_a_database_without_airflow_is_named(cluster, command, filled):
    command.answer("export", filled)
    empty = cluster.url_of("postgres")
    for verb in ("export", "import", "verify"):
        result = CliRunner().invoke(
            main,
            ["metadata", verb, "--storage", command.storage, "--database-url", empty],
            env={"AIRFLOW__CORE__FERNET_KEY": filled.key},
        )
        assert result.exit_code in (1, 2), verb
        assert "no Airflow metadata" in result.output, verb
    assert USER in empty


@pytest.mark.parametrize("uri", ["gs://bucket/x", "/folder", "s3://bucket/x"])
def test_a_storage_that_cannot_be_used_is_wrong_usage(filled, uri):
    result = Command(uri)("export", filled)
    assert result.exit_code == 2
    assert "storage" in result.output


def test_an_empty_storage_says_so(target, command):
    result = command("import", target)
    assert result.exit_code == 1
    assert "There is no complete backup" in result.output


def test_another_installations_backup_is_refused(filled, target, command):
    command.answer("export", filled, "--installation", "etl")
    result = command("import", target, "--installation", "other")
    assert result.exit_code == 1
    assert "belongs to installation 'etl'" in result.output
    assert command("import", target).exit_code == 0


def test_backups_on_s3_are_sealed_by_the_installations_kms_key(filled, target):
    with mock_aws():
        s3 = boto3.client("s3", region_name=REGION)
        s3.create_bucket(Bucket="backups", CreateBucketConfiguration={"LocationConstraint": REGION})
        kms = boto3.client("kms", region_name=REGION)
        key = kms.create_key()["KeyMetadata"]
        kms.create_alias(AliasName="alias/etl-primary-seal", TargetKeyId=key["KeyId"])
        owner = Ownership(Site.PRIMARY, 4, SiteState.ACTIVE)
        s3.put_object(Bucket="backups", Key=f"some/where/{keys.OWNERSHIP}", Body=owner.to_json())
        command = Command("s3://backups/some/where")
        result = command("export", filled, "--region", REGION)
        assert result.exit_code == 2
        assert "--seal-key is missing" in result.output
        exported = command.answer("export", filled, "--region", REGION, "--installation", "etl")
        assert exported["backup"].startswith("backups/primary/00000004/")
        imported = command.answer("import", target, "--region", REGION)
        assert imported["backup"] == exported["backup"]
        assert everything(target) == everything(filled)
        result = command("export", filled, "--region", REGION, "--seal-key", "alias/none")
        assert result.exit_code == 1
        assert "kms:GenerateDataKey" in result.output


def test_the_counts_are_those_of_the_database(source, command):
    source.dag("sales")
    for n in range(3):
        source.run("sales", f"r{n}", n)
        source.task("sales", f"r{n}", "t")
    exported = command.answer("export", source)
    assert (exported["tables"]["dag_run"], exported["tables"]["task_instance"]) == (3, 3)
    assert at(0) < datetime.fromisoformat(exported["snapshot_at"])


def test_a_second_export_holds_what_changed_and_rests_on_the_first(filled, target, command):
    first = command.answer("export", filled)
    filled.sql("UPDATE task_instance SET state = 'failed' WHERE run_id = 'scheduled__1'")
    second = command.answer("export", filled)
    assert (first["kind"], second["kind"]) == ("base", "incremental")
    command.answer("import", target)
    assert everything(target) == everything(filled)
    assert command.answer("export", filled, "--full")["kind"] == "base"
    assert command.answer("export", filled, "--incremental", "--dry-run")["kind"] == "incremental"


def test_a_standby_follows_and_an_old_owner_keeps_its_own_runs(filled, target, command):
    command.answer("export", filled)
    assert command.answer("import", target, "--follow")["mode"] == "follow"
    target.run("etl", "only-here", 1000)
    command.answer("export", filled)
    kept = command.answer("import", target, "--reconcile")["kept"]
    assert [run["run_id"] for run in kept] == ["only-here"]
    assert "only-here" in command("import", target, "--reconcile").output


def test_a_bulk_import_needs_tables_that_it_owns(filled, target, command, cluster):
    command.answer("export", filled)
    result = command("import", target, "--bulk")
    assert result.exit_code == 1
    assert "Nothing was changed" in result.output
    owner = ("--database-url", cluster.url_of(target.name))
    before = contents(target)
    for arguments in ((*owner, "--dry-run"), owner):
        assert contents(target) == before
        result = command("import", None, "--bulk", *arguments, key=target.key)
        assert result.exit_code == 0, result.output
    assert everything(target) == everything(filled)
