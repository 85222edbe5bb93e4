"""Local servers and proxies that tests use in place of the real providers and connections."""
