"""The MWAA emulator: each environment is a real Airflow with its own PostgreSQL."""
