"""What every language shares: characters, Markdown, sentences, text in pieces, SSML, warnings.

Nothing here knows a word of any language; `Language` is what it asks of one.
"""
