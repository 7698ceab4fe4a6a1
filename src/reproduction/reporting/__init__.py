"""The report: report/README.md and report/index.html, built from results/published (or OUT/results) alone.

results, verdicts     what the runs' files say; a verdict follows from it by a stated rule
documents/            the five source documents: claims, mistakes, pictures
beta_study, preservation, low_data, likelihoods, speed, runs    parts that are more than a list of pictures
blocks, page          the report's contents, the same for both forms
markdown, html        README.md, and the page with everything inside it
charts, media         SVG from numbers; pictures and films made small enough to embed
fragment              the form in which a part with its own behaviour joins the page
"""

from __future__ import annotations

import pathlib


def build(out):
    """Write OUT/report/ from OUT/results/published, or from OUT/results where that is not there; returns the paths.

    What was not run yet is named, never guessed. Raises UserError where a file below results/ is broken. The same
    results give the same bytes.
    """
    from jgen.platform.files import atomic_write
    from reproduction.reporting import html, latent_space, markdown, media
    from reproduction.reporting.page import FILM, contents
    from reproduction.reporting.results import Results

    out = pathlib.Path(out)
    results = Results(out)
    fragments = [latent_space.fragment(results)]
    page = contents(results, [fragment for fragment in fragments if fragment])
    folder = out / "report"
    texts = {folder / "README.md": markdown.render(page, results), folder / "index.html": html.render(page, results)}
    texts |= {folder / "figures" / f"{name}.svg": text for name, text in _figures(page).items()}
    files = {path: text.encode("utf-8") for path, text in texts.items()}
    if results.holds("mp4", FILM):
        files[folder / "figures" / "training.webp"] = media.animation(results.folder / "mp4" / FILM)
    for path, content in files.items():
        atomic_write(path, content)
    return list(files)


def _figures(page):
    """{name: SVG} of every chart, for README.md."""
    from reproduction.reporting import charts, templates
    from reproduction.reporting.blocks import Chart

    blocks = [block for judgement in page.judgements for block in judgement.document.blocks]
    blocks += [block for section in (*page.highlights, *page.sections) for block in section.blocks]
    blocks += [inner for block in blocks for inner in getattr(block, "instead", ())]
    found = [block for block in blocks if isinstance(block, Chart)]
    return {chart.name: charts.standalone(chart.svg, templates.asset("charts.css")) for chart in found}
