"""What holds for the tests of every tier."""

from hypothesis import HealthCheck, settings

# A machine that is busy with a drill takes a second for what takes a millisecond at rest; how fast
# a function is, benchmarks say.
settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")
