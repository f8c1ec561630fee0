"""Benchmarks (性能): run by hand with `./dev bench`, printed as ratios to a floor that is measured in the same run."""
