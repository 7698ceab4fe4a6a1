"""From blocks to HTML: one page with everything inside it."""

from __future__ import annotations

from markupsafe import Markup

from reproduction.reporting import media
from reproduction.reporting.templates import asset, template


def render(page, results):
    """The whole page as text: one <style>, one <script>, every picture and the small films inside."""
    css = [asset("page.css"), asset("charts.css"), *(each.css for each in page.fragments)]
    scripts = [asset("page.js"), *(each.js for each in page.fragments if each.js)]
    waiting = (f"ready(() => {{\n{script}\n}});" for script in scripts)
    return template("page.html").render(
        page=page,
        results=results,
        embed=_Embedding(results),
        css=Markup(_closed("\n".join(css), "</style")),
        script=Markup(_closed("\n".join([asset("theme.js"), *waiting]), "</script")),
    )


def _closed(text, end):
    if end in text.lower():
        raise ValueError(f"a part of the page contains {end}, which would end its element")
    return text


class _Embedding:
    """The files of results/ as the page holds them; films in the order of the page, until their budget is spent."""

    def __init__(self, results):
        self._folder, self._results = results.folder, results
        self._budget = media.FilmBudget()

    def exists(self, item):
        return self._results.holds(*item.parts)

    def link(self, item):
        """The path of the original relative to report/."""
        return self._results.link(*item.parts)

    def picture(self, item):
        return media.picture(self._folder.joinpath(*item.parts))

    def film(self, item):
        """The attributes of <video>: source, size and poster."""
        path = self._folder.joinpath(*item.parts)
        width, height = media.film_size(path)
        embedded = None if item.linked else self._budget.embed(media.small_film(path))
        given = item.poster and self._results.holds(*item.poster)
        poster = media.poster(self._folder.joinpath(*item.poster)) if given else media.middle_frame(path)
        return {"src": embedded or self.link(item), "width": width, "height": height, "poster": poster}
