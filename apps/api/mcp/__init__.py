"""The MCP server: tools and resources over both transports."""
