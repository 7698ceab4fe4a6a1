"""The report: report/README.md and report/index.html, built from results/published (or OUT/results) alone.

results, verdicts     what the runs' files say; a verdict follows from it by a stated rule
documents/            the five source documents: claims, mistakes, pictures
beta_study, preservation, low_data, likelihoods, speed, runs    parts that are more than a list of pictures
blocks, page          the report's contents, the same for both forms
markdown, html        README.md, and the page with everything inside it
charts, media         SVG from numbers; pictures and films made small enough to embed
latent_space, decoders    the part in which decoders run in the page
"""

from __future__ import annotations

import pathlib


def build(out):
    """Write OUT/report/ from OUT/results/published, or from OUT/results without it; returns the paths.

    The report names what was not run yet. The same results give the same bytes. Raises UserError where a file below
    results/ is broken.
    """
    from jgen.platform.files import atomic_write
    from reproduction.reporting import html, latent_space, markdown, media
    from reproduction.reporting.page import FILM, contents
    from reproduction.reporting.results import Results

    results = Results(out)
    page = contents(results, latent_space.fragment(results))
    texts = {"README.md": markdown.render(page, results), "index.html": html.render(page, results), **_figures(page)}
    files = {name: text.encode("utf-8") for name, text in texts.items()}
    if results.holds("mp4", FILM):
        files["figures/training.webp"] = media.animation(results.folder / "mp4" / FILM)
    paths = [pathlib.Path(out, "report", name) for name in files]
    for path, content in zip(paths, files.values()):
        atomic_write(path, content)
    return paths


def _figures(page):
    """{path below report/: SVG} of every chart, for README.md."""
    from reproduction.reporting import charts
    from reproduction.reporting.blocks import Chart

    blocks = [block for judgement in page.judgements for block in judgement.document.blocks]
    blocks += [block for section in (*page.highlights, *page.sections) for block in section.blocks]
    blocks += [inner for block in blocks for inner in getattr(block, "instead", ())]
    found = [block for block in blocks if isinstance(block, Chart)]
    return {f"figures/{chart.name}.svg": charts.standalone(chart.svg) for chart in found}
