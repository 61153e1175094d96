# type: ignore  (Airflow is not installed where types are checked)
"""One name for each thing that moved between Airflow 2 and 3."""

try:
    from airflow.sdk import (
        DAG,
        Asset,
        BaseHook,
        BaseOperator,
        Variable,
        get_current_context,
        get_parsing_context,
        task,
    )
except ImportError:
    from airflow import DAG
    from airflow.datasets import Dataset as Asset
    from airflow.decorators import task
    from airflow.hooks.base import BaseHook
    from airflow.models import Variable
    from airflow.models.baseoperator import BaseOperator
    from airflow.operators.python import get_current_context
    from airflow.utils.dag_parsing_context import get_parsing_context

try:
    from airflow.sdk import CronDataIntervalTimetable, DeltaDataIntervalTimetable
except ImportError:
    from airflow.timetables.interval import CronDataIntervalTimetable, DeltaDataIntervalTimetable

try:
    from airflow.providers.standard.triggers.temporal import DateTimeTrigger
except ImportError:
    from airflow.triggers.temporal import DateTimeTrigger

__all__ = [
    "DAG",
    "Asset",
    "BaseHook",
    "BaseOperator",
    "CronDataIntervalTimetable",
    "DateTimeTrigger",
    "DeltaDataIntervalTimetable",
    "Variable",
    "get_current_context",
    "get_parsing_context",
    "task",
]
