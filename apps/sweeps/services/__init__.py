"""All writes of sweeps and runs: a pass over a project, thin histories, purposes, offline folders, uploads."""
