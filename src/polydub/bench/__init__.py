"""Benchmarks that anybody can run again: suites of films, dubbed and scored, with a history."""
