"""A sample workspace that really trains: sweeps, agents and jobs that end in every way the board must know."""
