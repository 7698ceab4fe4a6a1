"""The film has the frames that it claims to have, and browsers can play it."""

import os
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from covering import quick_first
from jgen.errors import UserError
from jgen.pictures.film import _fit, read_frame, stitch
from jgen.pictures.grid import write_png

SRC = str(Path(__file__).resolve().parents[2] / "src")


def picture(index, height=30, width=40):
    """Blocks of colour that no other index has."""
    blocks = np.random.default_rng(index).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return blocks.repeat(-(-height // 3), axis=0).repeat(-(-width // 4), axis=1)[:height, :width]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "空格 and 汉字 100%"


def write_frames(folder, count, **size):
    paths = [folder / f"epoch_{index:04d}.png" for index in range(1, count + 1)]
    for index, path in enumerate(paths, start=1):
        write_png(path, picture(index, **size))
    return paths


def read_film(path):
    reader = imageio_ffmpeg.read_frames(str(path))
    about = next(reader)
    width, height = about["size"]
    return about, [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader]


def assert_shows(frame, pixels):
    factor = frame.shape[0] // pixels.shape[0]
    expected = pixels.repeat(factor, axis=0).repeat(factor, axis=1).astype(float)
    shown = frame[: expected.shape[0], : expected.shape[1]]
    assert np.abs(shown - expected).mean() < 4, "more than compression explains"


def test_frames_size_and_format(folder):
    paths = write_frames(folder, 6)
    out = folder / "mp4" / "run.mp4"
    assert stitch(paths, out, fps=5) == {"frames": 10, "fps": 5, "size": (640, 480)}
    about, film = read_film(out)
    assert about["codec"] == "h264" and about["pix_fmt"].startswith("yuv420p(")
    assert (about["size"], about["fps"], len(film)) == ((640, 480), 5, 10)
    for index in range(6):
        assert_shows(film[index], picture(index + 1))
    for held in film[6:]:
        assert_shows(held, picture(6))
    content = out.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "playable before it is loaded whole"
    assert os.listdir(out.parent) == ["run.mp4"]


def test_long_runs_are_thinned_evenly(folder):
    paths = write_frames(folder, 50)
    about = stitch(paths, folder / "run.mp4", seconds=3, fps=4)
    assert about["frames"] == 12
    _, film = read_film(folder / "run.mp4")
    assert len(film) == 12
    for frame, index in zip(film, [1, 7, 13, 19, 25, 32, 38, 44, 50, 50, 50, 50], strict=True):
        assert_shows(frame, picture(index))


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [
        (37, 53, (690, 482)),
        (53, 37, (482, 690)),
        (481, 601, (602, 482)),
        (480, 600, (600, 480)),
        (1, 1, (480, 480)),
    ],
)
def test_odd_sizes(folder, height, width, size):
    paths = write_frames(folder, 2, height=height, width=width)
    assert stitch(paths, folder / "run.mp4", fps=2) == {"frames": 3, "fps": 2, "size": size}
    about, film = read_film(folder / "run.mp4")
    assert about["size"] == size
    assert_shows(film[0], picture(1, height, width))
    assert_shows(film[-1], picture(2, height, width))


@pytest.mark.slow
def test_the_same_frames_make_the_same_bytes(folder):
    frames = [folder / f"epoch_{index:04d}.png" for index in range(12)]
    for index, path in enumerate(frames):  # noise reaches the limit of the film's rate
        write_png(path, np.random.default_rng(index).integers(0, 256, (90, 74, 3), dtype=np.uint8))
    films = [folder / f"{index}.mp4" for index in range(3)]
    for film in films:
        stitch(frames, film, fps=2)
    assert len({film.read_bytes() for film in films}) == 1


def test_one_frame(folder):
    assert stitch(write_frames(folder, 1), folder / "run.mp4", fps=12)["frames"] == 12
    assert len(read_film(folder / "run.mp4")[1]) == 12


@pytest.mark.parametrize(("count", "fps"), quick_first([(1, 2), (20, 4), (70, 12)]))
def test_fewer_frames_are_shown_more_slowly(folder, count, fps):
    assert stitch(write_frames(folder, count), folder / "run.mp4") == {
        "frames": count + fps - 1,
        "fps": fps,
        "size": (640, 480),
    }


def damage(path, how):
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "another size":
        write_png(path, picture(0, 20, 20))
    else:
        path.write_bytes({"empty": b"", "garbage": bytes(100), "truncated": content[:-30]}[how])


@pytest.mark.parametrize("how", ["missing", "empty", "garbage", "truncated", "another size"])
@pytest.mark.parametrize("which", quick_first([0, 1, 2]))
def test_bad_frame(folder, how, which):
    paths = write_frames(folder, 3)
    out = folder / "mp4" / "run.mp4"
    stitch(paths, out)
    before = out.read_bytes()
    damage(paths[which], how)
    named = paths[1] if how == "another size" and which == 0 else paths[which]
    with pytest.raises(UserError) as refused:
        stitch(paths, out)
    assert str(named) in str(refused.value)
    assert out.read_bytes() == before
    assert os.listdir(out.parent) == ["run.mp4"]


def test_no_frames(folder):
    with pytest.raises(UserError, match="no frames"):
        stitch([], folder / "run.mp4")


def test_no_room_for_the_film(folder):
    """ffmpeg alone meets the limit and dies; the parent must live, say so and clean up."""
    write_frames(folder, 3)
    program = """
import resource, sys
from pathlib import Path
from jgen.pictures.film import stitch
from jgen.errors import UserError
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
try:
    stitch(sorted(Path(sys.argv[1]).glob("*.png")), sys.argv[2])
except UserError as error:
    sys.exit(0 if sys.argv[2] in str(error) else 3)
"""
    environment = {**os.environ, "PYTHONPATH": SRC}
    out = folder / "mp4" / "run.mp4"
    command = [sys.executable, "-c", program, str(folder), str(out)]
    assert subprocess.run(command, env=environment, timeout=120, check=False).returncode == 0
    assert os.listdir(out.parent) == []


def test_lost_frames_are_noticed(folder, monkeypatch):
    monkeypatch.setattr(imageio_ffmpeg, "count_frames_and_secs", lambda path: (11, 1.0))
    with pytest.raises(UserError, match="11 of 12 frames"):
        stitch(write_frames(folder, 1), folder / "run.mp4", fps=12)
    assert not (folder / "run.mp4").exists()


def test_an_interrupt_ends_ffmpeg_and_leaves_no_film(folder, monkeypatch):
    paths = write_frames(folder, 3)

    def interrupted(path, shape=None, read=read_frame):
        if path == paths[2]:
            raise KeyboardInterrupt
        return read(path, shape)

    monkeypatch.setattr("jgen.pictures.film.read_frame", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stitch(paths, folder / "run.mp4")
    assert not list(folder.glob("*.mp4*"))


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [
        (26, 4018, (4018, 26)),  # a grid of 1x500 images
        (50, 8210, (4096, 24)),  # of 4x1024 images
        (4502, 302, (274, 4096)),  # 150 classes
        (2, 3000, (3000, 16)),
        (1, 16384, (4096, 16)),
    ],
)
def test_every_shape_becomes_a_film_that_players_decode(folder, height, width, size):
    out = folder / "run.mp4"
    assert stitch(write_frames(folder, 2, height=height, width=width), out, fps=2)["size"] == size
    about, shown = read_film(out)
    assert about["size"] == size and len(shown) == 3


def test_large_grids_are_shrunk_to_what_level_51_allows():
    height, width, _ = _fit(np.zeros((5000, 5000, 3), np.uint8)).shape
    assert (height, width) == (3072, 3072) and height * width <= 36_864 * 256


def test_ffmpegs_own_reason_is_told(folder, tmp_path, monkeypatch):
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho 'Unknown encoder: no such thing' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    with pytest.raises(UserError, match=r"ffmpeg failed .Unknown encoder: no such thing"):
        stitch(write_frames(folder, 3), folder / "run.mp4")


def test_without_ffmpeg(folder, monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")
    with pytest.raises(UserError, match=r"run\.mp4: ffmpeg failed"):
        stitch(write_frames(folder, 1), folder / "run.mp4")
