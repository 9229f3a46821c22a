"""The pages of plans and questions."""
