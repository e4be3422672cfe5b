"""Blind listening tests: `dlpo listen`.

A test is a folder:

    key.json    which sound is of which system: stays with the maker
    page/       what raters get, by the server or as files: a page, its sounds, and no names
    answers/    what they answered: JSON lines, one file a sitting

`making` writes it, `server` serves the page and takes answers, `report` counts them, `pairs` makes
them into what `--method dpo` learns from.
"""
