"""The process's environment: settings, secrets, proxies, container limits, system features."""
