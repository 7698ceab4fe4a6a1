"""The report's contents, before it becomes Markdown or HTML."""

from __future__ import annotations

import collections
import dataclasses

from reproduction import experiments
from reproduction.reporting import beta_study, documents, likelihoods, runs, speed
from reproduction.reporting.blocks import Document, Film, Folded, Fragment, Gallery, Heading, Section
from reproduction.reporting.verdicts import Claim, Outcome, Verdict, together

FILM = "cvae-beta-4.mp4"  # the README shows it as a picture
SMALL = "mnist5k"


@dataclasses.dataclass(frozen=True)
class Judgement:
    """A document with the outcome of each of its claims."""

    document: Document
    outcomes: tuple[tuple[Claim, Outcome], ...]
    runs: Folded

    @property
    def verdict(self):
        return together([outcome.verdict for _, outcome in self.outcomes])

    @property
    def counts(self):
        """Such as "4 reproduced, 1 partly"."""
        found = collections.Counter(outcome.verdict for _, outcome in self.outcomes)
        return ", ".join(f"{found[verdict]} {verdict.value}" for verdict in Verdict if found[verdict])


@dataclasses.dataclass(frozen=True)
class Page:
    highlights: tuple[Section, ...]
    judgements: tuple[Judgement, ...]
    sections: tuple[Section, ...]
    fragment: Fragment | None
    warning: str
    title: str = "Neural networks that draw, live in your browser"
    lead: str = (
        "These decoders were trained with [Jittor](https://github.com/Jittor/jittor) and run in this page: move a "
        "latent and watch the picture change."
    )
    documents_title: str = "Five documents, claim by claim"
    intro: str = (
        "Five Chinese blog posts, the *source documents*, describe autoencoders, VAEs, CVAEs, a G-VAE and a WGAN. This "
        "project runs what they ran and says what holds. Every number is read from a file that the "
        "named command wrote."
    )
    verdicts: str = (
        "A verdict follows from the numbers by the rule beside it; a claim without a number is judged with the "
        "evidence given. A document is *reproduced*, or *not*, if all of its claims are, else *partly*; if most of its "
        "claims have not been run, it is *not run yet*."
    )

    @property
    def entries(self):
        """(anchor, title) of every part in the order of the page; the documents are one."""
        first = [*([self.fragment] if self.fragment else []), *self.highlights]
        first, last = ([(part.key, part.title) for part in parts] for parts in (first, self.sections))
        return [*first, ("overview", self.documents_title), *last]


def contents(results, fragment):
    judged = []
    for module in documents.ALL:
        document = module.document(results)
        document = dataclasses.replace(document, blocks=without_gaps(document.blocks, results))
        outcomes = tuple((claim, claim.outcome(results)) for claim in document.claims)
        planned = next(each for each in experiments.DOCUMENTS if each.slug == document.key)
        line = f"Commands, protocol, seconds: {runs.summary(results, planned.experiments)}"
        table = Folded(line, (runs.table(results, planned.experiments),))
        judged.append(Judgement(document, outcomes, table))
    sections = (likelihoods.section(results), speed.section(results))
    return Page(_highlights(results), tuple(judged), sections, fragment, _warning(results))


def _highlights(results):
    """The part above the documents: beta's slider, a film, the speed bars."""
    film = Gallery((Film(("mp4", FILM), "A conditional VAE learns digits, one row per class", looping=True),))
    blocks = without_gaps((Heading("A training, as a film"), film), results)
    return (Section("beta", "Beta, from 0 to 1", (*beta_study.blocks(results), *blocks, *speed.at_a_glance(results))),)


def _warning(results):
    """Names the runs of a small campaign (--quick), whose verdicts say nothing about the documents."""
    small = [
        each.name
        for each in experiments.ALL
        if results.has(each.name)
        and SMALL in str(results.run(each.name).config.get("data"))
        and SMALL not in each.command
    ]
    if not small:
        return ""
    names = ", ".join(f"`{name}`" for name in small)
    return f"**A small version.** These runs saw 5,000 images only, and verdicts on them are no verdicts: {names}."


def without_gaps(blocks, results):
    """Drops galleries of which nothing exists, and headings that then have no content."""
    kept = [
        block
        for block in blocks
        if not isinstance(block, Gallery) or any(results.holds(*item.parts) for item in block.items)
    ]
    following = [*kept[1:], None]
    return tuple(
        block
        for block, after in zip(kept, following)
        if not isinstance(block, Heading) or (after is not None and not isinstance(after, Heading))
    )
