"""Where the local AWS keeps what it builds; all of it below `build/` and safe to delete."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
AIRFLOWS = BUILD / "airflow"
STATE = BUILD / "local"
