"""Measurements that are run by hand: times do not decide whether the tests pass."""
