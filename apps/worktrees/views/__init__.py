"""The pages of worktrees."""
