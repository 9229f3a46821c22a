"""What a worktree is, how its branch came into the base, what is wrong with it, and what may be done. Pure."""
