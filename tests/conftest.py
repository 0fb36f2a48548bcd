"""How properties are tried in all tests."""

from hypothesis import HealthCheck, settings

# Neither a slow example nor slow data is a fault: on a busy machine both would be, and the suite asserts nothing of time.
settings.register_profile("surefoot", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("surefoot")
