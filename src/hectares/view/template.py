"""Templates of pages, filled in."""

from __future__ import annotations

import jinja2


def fill(template: str, **values: object) -> str:
    """Give a template with its values: text is escaped, and a name that is missing is an error.

    The same values give the same text.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hectares.view"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
