"""From blocks to Markdown that a code host renders."""

from __future__ import annotations

import re

from reproduction.reporting.blocks import Film, Picture

COLUMNS = 3  # pictures in a row


def render(page, results):
    """report/README.md as text."""
    parts = [f"# {page.documents_title}", page.intro, page.warning, *_overview(page), page.verdicts]
    parts.append("[index.html](index.html) is this report as one page that plays its films; open it from a clone.")
    parts += _sections(page.highlights, results)
    for number, judgement in enumerate(page.judgements, 1):
        parts += _document(number, judgement, results)
    if fragment := page.fragment:
        parts += [f'## <a id="{fragment.key}"></a>{fragment.title}', fragment.markdown]
    parts += _sections(page.sections, results)
    return "\n\n".join(part for part in parts if part) + "\n"


def _sections(sections, results):
    parts = []
    for section in sections:
        parts += [f'## <a id="{section.key}"></a>{section.title}', *_blocks(section.blocks, results)]
    return parts


def _overview(page):
    head = ("document", "what it claims", "verdict", "claim by claim")
    rows = [
        (
            f"[{judgement.document.title}](#document-{judgement.document.key})",
            judgement.document.line,
            f"{judgement.verdict.sign} **{judgement.verdict.value}**",
            "<br>".join(f"{outcome.verdict.sign} {claim.short}" for claim, outcome in judgement.outcomes),
        )
        for judgement in page.judgements
    ]
    return [_table(head, rows, words=4)]


def _document(number, judgement, results):
    document = judgement.document
    rows = [
        (claim.statement, outcome.found, claim.rule.text, f"{outcome.verdict.sign} {outcome.verdict.value}")
        for claim, outcome in judgement.outcomes
    ]
    return [
        f'## <a id="document-{document.key}"></a>{document.title}',
        f"Document {number}, `{document.source}`: **{judgement.verdict.value}** ({judgement.counts}).",
        document.line,
        _table(("claim", "what came out", "rule", "verdict"), rows, words=4),
        *_blocks(document.blocks, results),
        "### Its mistakes, and the corrected form",
        *(_mistake(mistake) for mistake in document.mistakes),
        _folded(judgement.runs, results),
    ]


def _blocks(blocks, results):
    texts = [_RENDERERS[type(block).__name__](block, results) for block in blocks]
    return [text for text in texts if text]


def _table(head, rows, words=1):
    def line(cells):
        return "| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in cells) + " |"

    ruler = "| " + " | ".join("---" if index < words else "---:" for index in range(len(head))) + " |"
    return "\n".join([line(head), ruler, *map(line, rows)])


def _mistake(mistake):
    printed, corrected = _side("as printed", mistake.published), _side("corrected", mistake.corrected)
    return f"**{mistake.what}.**\n\n{printed}\n\n{corrected}\n\n{mistake.effect}"


def _side(name, text):
    """A formula in a fence of its own: there a code host leaves its backslashes alone."""
    formula = re.fullmatch(r"\$\$(.*)\$\$", text, re.DOTALL)
    return f"{name}:\n\n```math\n{formula[1]}\n```" if formula else f"{name}: {text}"


def _gallery(block, results):
    found = [item for item in block.items if results.holds(*item.parts)]
    films = [f"- film: [{item.caption}]({results.link(*item.parts)})" for item in found if isinstance(item, Film)]
    pictures = [item for item in found if isinstance(item, Picture)]
    wide = [f"{item.caption}:\n\n{_image(item, results)}" for item in pictures if item.wide]
    narrow = [item for item in pictures if not item.wide]
    return "\n\n".join(
        [*(["\n".join(films)] if films else []), *_grid(narrow, 2 if block.large else COLUMNS, results), *wide]
    )


def _grid(pictures, columns, results):
    """Pictures side by side, as a table without a heading."""
    if not pictures:
        return []
    columns = min(columns, len(pictures))
    cells = [f"{_image(item, results)}<br>{item.caption}" for item in pictures]
    cells += [""] * (-len(cells) % columns)
    return [_table([" "] * columns, list(zip(*[iter(cells)] * columns)), words=columns)]


def _image(item, results):
    return f"![{item.alt}]({results.link(*item.parts)})"


def _folded(block, results):
    inside = "\n\n".join(_blocks(block.blocks, results))
    return f"<details><summary>{block.summary}</summary>\n\n{inside}\n\n</details>"


def _captioned_table(block, results):
    caption = f"{block.caption.removesuffix('.')}:\n\n" if block.caption else ""
    return caption + _table(block.head, block.rows, block.words)


def _missing(block, results):
    how = f": `{block.command}`" if block.command else ""
    return f"*{block.state}: {block.what}*{how}"


_RENDERERS = {
    "Prose": lambda block, results: block.text,
    "Heading": lambda block, results: f"### {block.text}",
    "Table": _captioned_table,
    "Folded": _folded,
    "Gallery": _gallery,
    "Chart": lambda block, results: f"![{block.alt}](figures/{block.name}.svg)\n\n{block.caption}",
    "Raw": lambda block, results: "\n\n".join(_blocks(block.instead, results)),
    "Missing": _missing,
}
