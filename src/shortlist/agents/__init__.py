"""An MCP server: agents ask a recommender by tools that only read."""
