"""Which files are uploaded, and where to."""

from importlib import import_module

import pytest

from components.files import (
    PROJECT,
    CodeError,
    archive_files,
    extra_files,
    ignore_text,
    recovery_files,
    shown,
    user_files,
)
from components.settings.tree import Code
from contract.functions import FUNCTIONS


@pytest.fixture
def project(tmp_path):
    tmp_path = tmp_path / "tests"
    for name in (
        "contract/__init__.py",
        "contract/keys.py",
        "contract/__pycache__/keys.pyc",
        "handlers/assess.py",
        "handlers/core/verdict.py",
        "handlers/state_machines/monitor.asl.json",
        "handlers/tests/test_assess.py",
        "mine/tests/helper.py",
        "dags/mwaa_dr_agent.py",
        "dags/mwaa_dr_metadata/export.py",
        "dags/notes.md",
        "mine/daily.py",
        "mine/sql/daily.sql",
        "mine/.airflowignore",
        "mine/.git/config",
        "mine/__pycache__/daily.pyc",
        "requirements.txt",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_the_archive_has_the_code_alone_and_in_order(project):
    names = list(archive_files(project))
    assert names == [
        "contract/__init__.py",
        "contract/keys.py",
        "handlers/assess.py",
        "handlers/core/verdict.py",
    ]


def test_the_real_archive_has_every_handler():
    files = archive_files()
    for spec in FUNCTIONS:
        module, _, function = spec.handler.rpartition(".")
        assert f"{module.replace('.', '/')}.py" in files
        assert callable(getattr(import_module(module), function))


def test_recovery_code_lies_in_its_own_folder_with_the_contract(project):
    assert set(recovery_files(project)) == {
        "dags/mwaa_dr/mwaa_dr_agent.py",
        "dags/mwaa_dr/mwaa_dr_metadata/export.py",
        "dags/mwaa_dr/contract/__init__.py",
        "dags/mwaa_dr/contract/keys.py",
    }


def test_airflow_does_not_parse_the_packages(project):
    assert ignore_text(recovery_files(project)) == "contract\nmwaa_dr_metadata\n"


def test_user_dags_keep_their_paths_and_leave_rubbish_behind(project):
    assert set(user_files(Code(dags_directory="mine"), project)) == {
        "dags/daily.py",
        "dags/sql/daily.sql",
        "dags/tests/helper.py",
        "dags/.airflowignore",
    }


def test_no_directory_means_no_user_dags(project):
    assert user_files(Code(), project) == {}


def test_a_missing_directory_is_named(project):
    with pytest.raises(CodeError, match="dagsDirectory: 'theirs' is no directory"):
        user_files(Code(dags_directory="theirs"), project)


def test_user_dags_may_not_overwrite_the_recovery_dags(project):
    (project / "mine" / "mwaa_dr").mkdir()
    (project / "mine" / "mwaa_dr" / "x.py").write_text("")
    with pytest.raises(
        CodeError, match=r"dags/mwaa_dr/x\.py is in the folder of the recovery DAGs"
    ):
        user_files(Code(dags_directory="mine"), project)


def test_other_files_get_the_names_that_mwaa_users_know(project):
    found = extra_files(Code(requirements_file="requirements.txt"), project)
    assert found == {"requirements": ("requirements.txt", project / "requirements.txt")}


def test_a_missing_file_is_named(project):
    with pytest.raises(CodeError, match=r"pluginsFile: 'p\.zip' is no file"):
        extra_files(Code(plugins_file="p.zip"), project)


def test_paths_inside_the_project_are_shown_relative(project):
    assert shown(PROJECT / "dags" / "x.py") == "dags/x.py"
    assert shown(project / "x.py") == str(project / "x.py")
