"""Random mutations of the headers of PNG, JPEG, WebP and BMP files, each decoded as an image folder's would be.

    python tests/fuzz/mutated_images.py --mutations 50000

Prints how many were read, refused with a reason, and crashed the process (0 is the promise; exit code 1 if not), and
the most memory that any of them took. Mutation number N is always the same, so a crash can be looked at: --first N.
Not collected by pytest, which tries a few hundred (test_images.py).
"""

import argparse
import ast
import collections
import io
import os
import pathlib
import random
import resource
import struct
import sys
import tempfile
import zlib

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS.parent / "src"), str(TESTS)]

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

import image_files  # noqa: E402
from jgen.data import images  # noqa: E402

PER_PROCESS = 1000  # mutations; a crash costs the rest of them
HEADER = 120  # bytes from the start in which most mutations fall
MEMORY = 3 * 2**30  # bytes of address space that one process may take


def originals():
    """[(suffix, bytes)]: small files of every mode and kind of coding."""
    generator, found = np.random.default_rng(0), []
    pixels = Image.fromarray(generator.integers(0, 256, (24, 17, 3), np.uint8))
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        image = pixels.convert("L").convert("I").convert(mode) if mode == "I;16" else pixels.convert(mode)
        found.append(("png", _saved(image, "png")))
    found.append(("png", _saved(pixels.convert("P"), "png", transparency=3)))
    exif = Image.Exif()
    exif[0x0112] = 6
    found.append(("png", _saved(pixels, "png", exif=exif)))
    for mode in ("L", "RGB", "CMYK"):
        found.append(("jpg", _saved(pixels.convert(mode), "jpeg")))
        found.append(("jpg", _saved(pixels.convert(mode), "jpeg", progressive=True, exif=exif)))
    found += [("webp", _saved(pixels, "webp")), ("webp", _saved(pixels.convert("RGBA"), "webp", lossless=True))]
    found += [("bmp", _saved(pixels, "bmp")), ("bmp", _saved(pixels.convert("P"), "bmp"))]
    return found + _described(np.asarray(pixels))


def _described(pixels):
    """Files with profiles, descriptions before and after the pixels, transparent colours and an alpha mask."""
    profile, grey = image_files.icc(image_files.DISPLAY_P3), pixels[:, :, 0]
    packed = b"name\0\0" + zlib.compress(image_files.icc((), 1.0, b"GRAY"))
    xmp = (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + image_files.xmp(8))
    orientation = (b"tEXt", image_files.raw_profile(b"exif", image_files.exif(6)))
    rows = [(row.astype(np.uint16) * 257).astype(">u2").tobytes() for row in grey]
    transparent = (b"tRNS", rows[0][:2])
    return [
        ("png", image_files.grey_png(grey, [(b"iCCP", packed), orientation])),
        ("png", image_files.grey_png(grey, [], [orientation, xmp])),
        ("png", image_files.png(rows, len(grey[0]), 16, 0, [transparent])),
        ("bmp", image_files.bmp(pixels, 0)),
        ("jpg", _saved(Image.fromarray(pixels), "jpeg", icc_profile=profile, xmp=image_files.xmp(6))),
        ("webp", _saved(Image.fromarray(pixels), "webp", icc_profile=profile)),
    ]


def _saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def mutated(number, files):
    """(suffix, bytes) of mutation `number`: one to four changes of one file."""
    chosen = random.Random(number)
    suffix, data = files[chosen.randrange(len(files))]
    data = bytearray(data)
    for _ in range(chosen.randint(1, 4)):
        chosen.choice((_flip, _flip, _number, _number, _cut, _double, _sides))(data, chosen)
    if data[:4] == b"\x89PNG" and chosen.random() < 0.8:
        _mend_checksums(data)  # otherwise nearly all end at the first check
    return (chosen.choice(("png", "jpg")) if chosen.random() < 0.1 else suffix), bytes(data)


def _place(data, chosen):
    return chosen.randrange(max(1, min(len(data), HEADER if chosen.random() < 0.8 else len(data))))


def _flip(data, chosen):
    if data:
        data[_place(data, chosen)] = chosen.randrange(256)


def _number(data, chosen):
    """An interesting number of 2 or 4 bytes, in either order."""
    kind = chosen.choice((">H", "<H", ">I", "<I"))
    most = 0xFFFF if kind[1] == "H" else 0xFFFFFFFF
    value = chosen.choice((0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 9000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF))
    start = _place(data, chosen)
    data[start : start + struct.calcsize(kind)] = struct.pack(kind, min(value, most))


def _cut(data, chosen):
    start = _place(data, chosen)
    del data[start : start + chosen.choice((1, 2, 4, 13, len(data)))]


def _double(data, chosen):
    start, length = _place(data, chosen), chosen.choice((1, 4, 12, 25, 200))
    data[start:start] = data[start : start + length]


def _sides(data, chosen):
    """Other sides in a PNG's header, up to what is taken for a bomb and beyond."""
    if data[:4] == b"\x89PNG" and len(data) > 24:
        data[16:24] = struct.pack(">II", *(chosen.choice((0, 1, 18, 300, 9000, 70000, 2**31 - 1)) for _ in range(2)))


def _mend_checksums(data):
    at = 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        end = at + 8 + length
        if end + 4 > len(data):
            return
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[at + 4 : end]))
        at = end + 4


def decode(path):
    """'' if the file is read as an image [3, 8, 8], else the reason that a person is given."""
    try:
        images.stored_size(path)
        x = images.decode(path, (8, 8), 3)
    except Exception as error:  # as the image folder does
        return images.reason(error)
    assert x.shape == (3, 8, 8) and x.dtype == np.uint8
    return ""


def try_some(numbers, folder, files):
    """Counter of reasons, '' for what was read."""
    found = collections.Counter()
    with images.decoding():
        for number in numbers:
            suffix, data = mutated(number, files)
            path = folder / f"x.{suffix}"
            path.write_bytes(data)
            reason = decode(path)
            assert reason.isprintable() or not reason, (number, reason)
            found[reason and " ".join(reason.split()[:3])] += 1
    return found


def _in_a_child(numbers, folder, files):
    """(Counter, or None where the process died, its status, its greatest memory in MB)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        found = try_some(numbers, folder, files)
        with open(writer, "w") as out:
            out.write(repr(dict(found)))
        os._exit(0)
    os.close(writer)
    with open(reader) as source:
        text = source.read()
    _, status, usage = os.wait4(child, 0)
    return (collections.Counter(ast.literal_eval(text)) if status == 0 else None), status, usage.ru_maxrss // 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutations", type=int, default=50_000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    files, total, crashes, most = originals(), collections.Counter(), [], 0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        end = options.first + options.mutations
        for start in range(options.first, end, PER_PROCESS):
            numbers = range(start, min(end, start + PER_PROCESS))
            found, status, memory = _in_a_child(numbers, pathlib.Path(folder), files)
            most = max(most, memory)
            if found is None:
                crashes.append(f"{numbers.start} to {numbers.stop - 1}: status {status}")
            else:
                total += found
    read = total.pop("", 0)
    print(f"tried {options.mutations}, read {read}, refused {total.total()}, crashed {len(crashes)}, at most {most} MB")
    print(*(f"  {count:>6}  {reason} …" for reason, count in total.most_common(12)), sep="\n")
    print(*crashes, sep="\n")
    sys.exit(bool(crashes))


if __name__ == "__main__":
    main()
