"""What keeps the documentation true: the generated reference, and the words that it may not use.

- ``reference``: writes the generated pages; ``make reference``
- ``api_page``, ``settings_page``, ``errors_page``, ``metrics_page``, ``decisions_page``: one page each
- ``error_causes``: cause and cure of every error code
- ``words``: what the documentation may not say; a part of ``make check``
"""
