"""What an agent can do: one function for each act, which the JSON API, MCP and the command line share."""
