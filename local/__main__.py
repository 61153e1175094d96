"""Makes `python -m local` the local AWS's command."""

from local.cli import main

main(prog_name="python -m local")
