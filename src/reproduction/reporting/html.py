"""From blocks to HTML: one page with everything inside it."""

from __future__ import annotations

from markupsafe import Markup

from reproduction.reporting import media
from reproduction.reporting.templates import asset, template


def render(page, results):
    """The whole page as text: one <style>, one <script>, every picture and the small films inside."""
    css, waiting = [asset("page.css"), asset("charts.css")], [asset("page.js")]
    if page.fragment:
        css.append(page.fragment.css)
        waiting.append(page.fragment.js)
    scripts = [asset("theme.js"), *(f"ready(() => {{\n{script}\n}});" for script in waiting)]
    return template("page.html").render(
        page=page,
        results=results,
        embed=_Embedding(results),
        css=Markup("\n".join(css)),
        script=Markup("\n".join(scripts)),
    )


class _Embedding:
    """Embeds files of results/ in the page: all pictures, and films in its order until their budget is spent."""

    def __init__(self, results):
        self.results = results
        self._budget = media.FilmBudget()

    def picture(self, item):
        return media.picture(self.results.folder.joinpath(*item.parts))

    def film(self, item):
        """The attributes of <video>: source, size and poster."""
        folder = self.results.folder
        path = folder.joinpath(*item.parts)
        width, height = media.film_size(path)
        embedded = None if item.linked else self._budget.embed(media.small_film(path))
        given = item.poster and self.results.holds(*item.poster)
        poster = media.poster(folder.joinpath(*item.poster)) if given else media.middle_frame(path)
        return {"src": embedded or self.results.link(*item.parts), "width": width, "height": height, "poster": poster}
