"""sdcupgrade: upgrade a whole Triton datacenter from one JSON spec, step by step, and roll it back."""

__version__ = "0.1.0"
