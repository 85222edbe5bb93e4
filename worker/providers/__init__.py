"""The vendors of speech and language, each in a package of two files; `registry.py` lists them.

`settings.py` declares what others must know of the vendor, without the vendor's SDK. `plugin.py`
imports the SDK, and only `plugin.plugin_of` imports `plugin.py`.
"""
