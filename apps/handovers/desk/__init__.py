"""The command line's desk: the same acts over a workspace of the registry and over a folder that nobody registered."""
