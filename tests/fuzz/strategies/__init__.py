"""The grammars: one module for each kind of document, and `damage` for all of them."""
