"""All writes of the agents' door."""
