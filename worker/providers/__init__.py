"""The vendors of speech and language, each in a package of two files; `registry.py` lists them.

`settings.py` declares what the rest of the worker must know of the vendor, and does not import the
vendor's SDK. `plugin.py` imports the SDK, and only `plugin.plugin_of` imports `plugin.py`.
"""
