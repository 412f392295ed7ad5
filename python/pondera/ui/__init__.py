"""The page of `pondera ui` and the addresses that it asks: a server for one person, on this machine alone.

`addresses` has every parameter once: `parameters` reads them, and `openapi` describes them. `minds` keeps the
models, `answers` asks the same functions as the commands do, `work` does so in a few threads, `guard` lets
only those in who belong here, `connection` waits for nobody for ever, `application` puts them together, and
`serve` runs it. Nothing is computed
here.

It is imported by the command alone, and needs `pip install 'pondera[ui]'`.
"""
