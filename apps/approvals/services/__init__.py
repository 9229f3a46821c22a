"""Services: all writes of plans and questions."""
