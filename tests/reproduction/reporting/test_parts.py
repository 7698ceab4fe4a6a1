"""Media, the beta study, preservation and low data."""

import collections
import json
import re

import imageio.v3
import numpy as np
import pytest
from PIL import Image

from jgen.errors import UserError
from jgen.pictures import film
from reproduction import experiments
from reproduction.reporting import beta_study, low_data, markdown, media, preservation, runs, templates
from reproduction.reporting.blocks import Missing, Mistake, Table
from reproduction.reporting.results import NotRunYet, Results
from reproduction.reporting.verdicts import Verdict
from written_results import write_betas, write_run

EVERY_BETA = {beta: (0.01 + beta / 10, 40 / (1 + 30 * beta), 20, 300.0) for beta in beta_study.BETAS}


def test_a_large_picture_is_made_smaller_and_a_small_one_kept(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (1200, 1600, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "large.png")
    Image.fromarray(pixels[:28, :28]).save(tmp_path / "small.png")
    large, small = media.picture(tmp_path / "large.png"), media.picture(tmp_path / "small.png")
    assert (large.width, large.height) == (1600, 1200)
    assert len(large.uri) < (tmp_path / "large.png").stat().st_size / 4
    assert (small.width, small.height) == (28, 28) and small.uri.startswith("data:image/webp;base64,")


def test_films_are_embedded_until_the_budget_is_spent():
    budget = media.FilmBudget(total=110)
    assert [budget.embed(b"x" * size) is not None for size in (111, 60, 60, 40)] == [False, True, False, True]


@pytest.mark.slow
def test_a_film_in_the_page_is_smaller_and_as_long(tmp_path):
    frames = [tmp_path / f"{number}.png" for number in range(6)]
    for number, frame in enumerate(frames):
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (60, 60), np.uint8)).save(frame)
    film.stitch(frames, tmp_path / "film.mp4", fps=2)
    data = media.small_film(tmp_path / "film.mp4")
    assert data == media.small_film(tmp_path / "film.mp4"), "the same film gives the same bytes"
    assert len(data) < (tmp_path / "film.mp4").stat().st_size
    (tmp_path / "small.mp4").write_bytes(data)
    before, after = (imageio.v3.immeta(tmp_path / f"{name}.mp4", plugin="FFMPEG") for name in ("film", "small"))
    assert after["duration"] == pytest.approx(before["duration"], abs=0.1)
    assert after["size"][0] == before["size"][0] // 4 * 2


def test_a_broken_picture_and_a_broken_film_are_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    with pytest.raises(UserError, match=r"broken\.png"):
        media.picture(tmp_path / "broken.png")
    for use in (media.film_size, media.small_film):
        with pytest.raises(UserError, match=r"broken\.mp4"):
            use(tmp_path / "broken.mp4")


def test_the_slider_has_a_stop_for_each_trained_beta_and_finds_its_point(results):
    write_betas(results.out, {beta: EVERY_BETA[beta] for beta in (0.0, 0.1, 1.0)})
    write_run(results.out, "beta-vae-0.05", {"beta": 0.05})  # trained, not evaluated: no point
    words, slider = beta_study.blocks(results)[:2]
    assert "1 epochs for 0, 0.1, 1" in words.text
    html = slider.html
    assert re.findall(r'class="stop" data-beta="([\d.]+)" data-point="(\d*)"', html) == [
        ("0", "0"), ("0.05", ""), ("0.1", "1"), ("1", "2"),
    ]  # fmt: skip
    assert 'max="3"' in html and 'value="2"' in html  # it begins at the document's own choice
    assert html.count('class="mark hue-0 form-0"') == 3


def test_the_best_beta_is_judged_over_all_of_them(results):
    rule = beta_study.smallest("reconstruction", "mse", "squared error", 0.0)
    write_betas(results.out, EVERY_BETA)
    assert rule.judge(results).verdict is Verdict.REPRODUCED
    other = beta_study.smallest("reconstruction", "mse", "squared error", 0.05, 0.1)
    assert other.judge(results).verdict is Verdict.NOT


@pytest.mark.parametrize(
    ("inside", "ends", "expected"),
    [(300.0, 500.0, Verdict.REPRODUCED), (600.0, 500.0, Verdict.NOT)],
)
def test_the_good_range_beats_both_ends(results, inside, ends, expected):
    values = {beta: (0.01, 3.0, 5, ends if beta in (0.0, 1.0) else inside) for beta in beta_study.BETAS}
    write_betas(results.out, values)
    assert beta_study.BETTER_THAN_THE_ENDS.judge(results).verdict is expected


@pytest.mark.parametrize(
    ("ours", "off", "expected"),
    [
        (99.4, 2.5, Verdict.REPRODUCED),
        (99.4, 5.0, Verdict.PARTLY),  # a step of 4 hardly shows beside the reconstruction's own error
        (97.0, 2.5, Verdict.PARTLY),
        (80.0, 2.5, Verdict.NOT),
    ],
)
def test_preservation_is_judged_at_three_sigma(results, ours, off, expected):
    numbers = {
        "retention top10%": {"0.5": 99.9, "3": ours},
        "pixel_distance top10%": {"0.5": 1.0, "3": 4.0},
        "pixel_distance_of_reconstruction": off,
    }
    write_run(results.out, "g-vae-mnist", evaluation={"preservation": numbers})
    assert preservation.RETENTION.judge(results).verdict is expected
    words, *curves = preservation.retention_blocks(results)
    assert "by 4.00" in words.text and f"is {off:.2f} away" in words.text
    assert [curve.name for curve in curves] == ["retention", "retention-at-distance"]


@pytest.mark.parametrize(
    ("more", "error", "expected"),
    [(3.0, 1.0, Verdict.REPRODUCED), (3.0, 2.0, Verdict.NOT), (0.5, 0.1, Verdict.PARTLY), (-3.0, 0.1, Verdict.NOT)],
)
def test_more_than_the_plain_vae_means_clearly_more(results, more, error, expected):
    numbers = {
        "retention_at_equal_diversity top10%": {"g-vae-mnist": 90 + more, "g-vae-mnist-plain": 90.0},
        "gain_at_equal_diversity top10%": {"g-vae-mnist-plain": more},
        "retention mu+N(0,I)": {"1": 90 + more},
        "g-vae-mnist-plain: retention mu+N(0,I)": {"1": 90.0},
        "gain_over g-vae-mnist-plain mu+N(0,I)": {"1": more},
    }
    folder = write_run(results.out, "g-vae-mnist", evaluation={"preservation": numbers})
    of_plain = {"standard_errors": {"g-vae-mnist-plain": error}}
    with_more(folder, "preservation", "gain_at_equal_diversity top10%", of_plain)
    with_more(folder, "preservation", "gain_over g-vae-mnist-plain mu+N(0,I)", {"standard_errors": {"1": error}})
    assert preservation.KEEPS_MORE_AT_EQUAL_DISTANCE.judge(results).verdict is expected
    assert preservation.KEEPS_MORE_UNDER_NOISE.judge(results).verdict is expected


def with_more(folder, section, key, more):
    """Write more about a series, such as its standard errors, into a run's evaluation."""
    path = folder / "evaluation.json"
    found = json.loads(path.read_text())
    found[section]["numbers"][key] |= more
    path.write_text(json.dumps(found))


def test_moves_of_the_class_are_compared_at_one_distance(results):
    names = ("", "g-vae-mnist-class-plain: ")
    label = "retention_where_reconstructed class"  # at 4, the mean of those at 3 and 5
    numbers = {f"{name}pixel_distance class": {"0.5": 3.0, "1": 5.0} for name in names}
    for name, kept in zip(names, (98.5, 95.0)):
        numbers[f"{name}{label}"] = {"0.5": kept + 1, "1": kept - 1}
    folder = write_run(results.out, "g-vae-mnist-class", {"beta": 0.3}, evaluation={"preservation": numbers})
    assert isinstance(preservation.class_moves_blocks(results)[1], Missing)  # for want of a second judge
    for name, kept in zip(names, (97.5, 96.0)):
        with_more(folder, "preservation", f"{name}{label}", {"second": {"0.5": kept + 1, "1": kept - 1}})
    _, words, _ = preservation.class_moves_blocks(Results(results.out))
    assert "KL weight of 0.3" in words.text and "98.5 % against 95.0 %; 97.5 % against 96.0 %" in words.text
    with_more(folder, "preservation", "pixel_distance class", {"values": {"0.5": 1.0, "1": 2.0}})
    with pytest.raises(NotRunYet, match="by 4"):
        preservation.kept_at_distance(Results(results.out).run("g-vae-mnist-class"), "values")


@pytest.mark.parametrize(("moved", "expected"), [(1.0, Verdict.REPRODUCED), (3.0, Verdict.PARTLY), (7.0, Verdict.NOT)])
def test_the_u_net_is_judged_by_how_little_z_moves_it(results, moved, expected):
    for name, distance in (("g-vae-unet", moved), ("g-vae-mnist", 8.0)):
        numbers = {"pixel_distance mu+N(0,I)": {"1": distance}}
        write_run(results.out, name, evaluation={"preservation": numbers})
    assert preservation.SKIPS_CARRY_THE_IMAGE.judge(results).verdict is expected


def test_what_a_stranger_wrote_is_harmless_in_both_reports(results):
    folder = write_run(results.out, "vae", rows=[{"epoch": 1, "seconds": 1.0}])
    record = json.loads((folder / "config.json").read_text())
    record["command"] = record["data"]["name"] = record["data"]["split"] = "`<script>alert(1)</script>` \x1b[2J"
    (folder / "config.json").write_text(json.dumps(record))
    text = "".join(runs.table(results, [next(each for each in experiments.ALL if each.name == "vae")]).rows[0])
    assert "script>alert" in text and "<script" not in text and "\x1b" not in text
    record["data"]["train"] = "many"
    (folder / "config.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="numbers of images"):
        Results(results.out).run("vae")


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ((2.0, 1.0), Verdict.REPRODUCED),
        ((2.0, 0.5), Verdict.PARTLY),
        ((-2.0, 0.3), Verdict.NOT),
        ((1.0, 2.0), Verdict.MISSING),
    ],
)
def test_a_gain_counts_above_its_interval(results, gains, expected):
    sizes, numbers = ("10", "50"), {}
    for judge in low_data.JUDGES:
        numbers[f"{judge}: none"] = {"10": 80.0, "50": 90.0}
        for way in low_data.WAYS:
            numbers[low_data.gain(way, judge)] = dict(zip(sizes, gains))
    folder = write_run(results.out, "g-vae-mnist", evaluation={"low-data": numbers})
    path = folder / "evaluation.json"
    found = json.loads(path.read_text())
    if expected is not Verdict.MISSING:  # one seed has no interval
        found["low-data"]["numbers"][low_data.gain(low_data.WAY)]["half_widths"] = {"10": 0.6, "50": 0.6}
    path.write_text(json.dumps(found))
    assert low_data.HELPS.judge(results).verdict is expected
    outcome, *tables, chart = low_data.blocks(results)
    assert f"moves gain {gains[0]:+.1f} points" in outcome.text and "add +0.0" in outcome.text
    assert [table.rows[0][1] for table in tables] == ["80.0 %"] * len(low_data.JUDGES)
    styles = re.findall(r'class="mark ([^"]*)" data-index', chart.svg)
    assert set(collections.Counter(styles).values()) == {2} and len(styles) == 2 * (len(low_data.WAYS) - 1)
    assert re.findall(r'text-anchor="middle">(\d+)<', chart.svg) == [*sizes]


def test_ways_that_were_not_measured_are_left_out_and_the_peer_has_a_row_of_its_own(results):
    numbers, ways = {}, [way for way in low_data.WAYS if way != "all unlabelled"]
    for judge in low_data.JUDGES:
        numbers[f"{judge}: none"] = {"10": 80.0}
        numbers |= {low_data.gain(way, judge): {"10": 1.0} for way in ways}
    for name in (low_data.RUN, "g-vae-cifar10"):
        write_run(results.out, name, evaluation={"low-data": numbers})
    gains = {judge: {"values": {"10": 2.0}, "half_widths": {"10": 0.25}} for judge in low_data.JUDGES}
    (results.folder / "rhvae.json").write_text(json.dumps({"gains": gains}))
    for name, peers in ((low_data.RUN, [(low_data.RHVAE, "+2.00 ± 0.25")]), ("g-vae-cifar10", [])):
        outcome, table, *_ = low_data.blocks(results, name)
        assert table.rows[len(ways) :] == peers and "all other" not in outcome.text
    (results.folder / "rhvae.json").write_text("{}")
    with pytest.raises(UserError, match="cannot be read as a benchmark"):
        low_data.blocks(results)


def test_a_formula_becomes_mathml_and_a_fence():
    mistake = Mistake("what", "`code_with_underscores`", r"$$\frac{a}{b}$$", "effect")
    assert "```math\n\\frac{a}{b}\n```" in markdown._mistake(mistake)
    assert "<mfrac>" in templates.paragraphs(mistake.corrected)
    assert "<code>code_with_underscores</code>" in templates.inline(mistake.published)
    assert "<script>" not in templates.inline("<script>alert(1)</script>")


def test_a_pipe_in_a_cell_does_not_break_the_table(results):
    table = "\n".join(markdown._blocks([Table(("a", "b"), [("|x|", "1")])], results))
    assert table.splitlines()[-1] == r"| \|x\| | 1 |"
