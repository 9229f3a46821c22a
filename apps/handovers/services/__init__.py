"""Everything that writes handovers: into the registry, and into workspaces."""
