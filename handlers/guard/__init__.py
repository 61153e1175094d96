"""Holds DAGs back in a new environment: a script that runs there, in MWAA's startup script."""
