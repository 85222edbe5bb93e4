"""The vendors of speech and language, each in a package of two files; `registry.py` lists them.

`settings.py` declares what the rest of the worker must know of the vendor, and does not import the
vendor's SDK. The vendor's `plugin.py` imports the SDK, and is imported only by `plugin_of`
(worker/providers/plugin.py).
"""
