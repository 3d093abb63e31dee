"""The start page and the pages that every public site owes its readers."""

from __future__ import annotations

from flask import g, render_template

from booking_web.site import current_site


def start() -> str:
    """Welcome: what one can do here, where, and when one needs no appointment."""
    return render_template("start.html", services=current_site().settings.town.services)


def embed() -> str:
    """The choice of services for an iframe on the town's website; what follows opens outside of it."""
    g.embeddable = True
    return render_template("embed.html", services=current_site().settings.town.services)


def easy() -> str:
    """How to book, in Leichte Sprache (§ 4 BITV 2.0)."""
    return render_template("easy.html", office=current_site().settings.town.offices[0])


def accessibility() -> str:
    """The accessibility statement (EU 2018/1523)."""
    return render_template("accessibility.html")


def privacy() -> str:
    """The privacy notice (Art. 13 GDPR)."""
    return render_template("privacy.html")


def imprint() -> str:
    """Who runs the site (§ 5 DDG)."""
    return render_template("imprint.html")
