"""What is done: passes that look, new worktrees, clean-ups, and plans of cherry-picks."""
