"""Runs a drill."""

from local.drill.run import main

if __name__ == "__main__":
    main()
