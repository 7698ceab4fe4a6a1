"""A part of the page that brings its own style and behaviour."""

from __future__ import annotations

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Fragment:
    """One section of report/index.html, and what report/README.md says in its place.

    html: the section's content, without its heading, well-formed, with ids of its own.
    css, js: joined into the page's one <style> and one <script>; js runs in a scope of its own once the page is read.
    markdown: "" leaves the section out of README.md.
    """

    title: str
    html: str
    css: str = ""
    js: str = ""
    markdown: str = ""

    @property
    def anchor(self):
        """The section's id: "A latent space" -> "a-latent-space"."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")
