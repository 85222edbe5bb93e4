"""The classifier: what one turn of a candidate does, from its words and the phase alone.

`prepare(language)` loads the table of a language and returns a `Classifier`; its `read` returns a
`Reading`. The tables are data (`english.toml`); another language is one more file. Nothing here
knows LiveKit, a database, a clock or a language model.
"""
