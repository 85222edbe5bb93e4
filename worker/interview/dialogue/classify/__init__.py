"""The classifier: determines the act of a candidate's turn from its words and its `Context`.

`prepare(language)` loads the table of a language and returns a `Classifier`, whose method `read`
returns a `Reading`. The tables are data (`english.toml`); another language needs one more file.
This package uses no LiveKit, database, clock or language model.
"""
