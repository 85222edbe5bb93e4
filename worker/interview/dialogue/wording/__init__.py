"""The words of the interviewer: turns the moves of a decided step into a text to speak.

`wording.words_of` returns the text. The words come from the plan, or are prepared lines: one file
for each language (`lines_en.toml`); another language needs one more file. The package has neither
a clock nor a network: equal arguments give equal words.
"""
