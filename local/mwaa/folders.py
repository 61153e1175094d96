"""Where one environment keeps its files."""

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Folders:
    """Airflow's home and what lies in it; the database cluster is beside it."""

    home: Path

    @property
    def dags(self) -> Path:
        return self.home / "dags"

    @property
    def plugins(self) -> Path:
        return self.home / "plugins"

    @property
    def logs(self) -> Path:
        """Airflow's own logs; the emulator's are in `mwaa` below."""
        return self.home / "logs"

    @property
    def outputs(self) -> Path:
        return self.logs / "mwaa"

    @property
    def cluster(self) -> Path:
        return self.home / "pg"

    @property
    def fernet_key(self) -> Path:
        return self.home / "fernet.key"

    @property
    def startup_script(self) -> Path:
        return self.home / "startup.sh"

    @property
    def requirements(self) -> Path:
        return self.home / "requirements.txt"

    def spec(self, component: str) -> Path:
        return self.home / f"{component}.json"

    def pid(self, component: str) -> Path:
        return self.home / f"{component}.pid"

    def make(self) -> None:
        """Start from nothing, whatever an earlier environment of this name left."""
        shutil.rmtree(self.home, ignore_errors=True)
        for folder in (self.dags, self.plugins, self.outputs):
            folder.mkdir(parents=True)

    def clear(self) -> None:
        """Remove what a deleted environment had; its logs stay, as its log groups do."""
        for item in self.home.iterdir():
            if item == self.logs:
                continue
            if item.is_dir():
                shutil.rmtree(item, ignore_errors=True)
            else:
                item.unlink()
