"""What a sprite looks like, and that a written set of them is whole or not there."""

from __future__ import annotations

import hashlib
import json
import re
import tracemalloc
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from spritedocs.sprites import (
    FAMILIES,
    LOGO_INDEX,
    draw_sprite,
    family_of,
    read_header,
    sprite_file_name,
    sprite_svg,
    write_packed,
    write_png_folder,
)
from spritedocs.sprites import files as sprites

ASSETS = Path(__file__).parents[1] / "docs" / "assets"
Writer = Callable[..., Path]
WRITERS = pytest.mark.parametrize("write", [write_png_folder, write_packed])
indices = st.integers(min_value=0, max_value=2**70)


def rasterised(svg: str, size: int) -> NDArray[np.uint8]:
    """The pixels that the paths of ``svg`` cover, drawn by nothing that wrote it."""
    pixels = np.zeros((size, size, 4), dtype=np.uint8)
    for path in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}path"):
        colour = bytes.fromhex(path.attrib["fill"].removeprefix("#"))
        for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", path.attrib["d"]):
            pixels[int(y), int(x) : int(x) + int(width)] = [*colour, 255]
    return pixels


def files_under(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


# --- drawing ---


@given(indices)
def test_a_sprite_is_mirrored_and_has_a_small_palette(index: int) -> None:
    sprite = draw_sprite(index)
    assert sprite.shape == (16, 16, 4)
    assert sprite.dtype == np.uint8
    assert np.array_equal(sprite, sprite[:, ::-1])
    assert set(np.unique(sprite[..., 3])) == {0, 255}
    assert 3 <= len(np.unique(sprite[sprite[..., 3] == 255], axis=0)) <= 5
    assert not sprite[sprite[..., 3] == 0].any()


@given(indices)
def test_a_sprite_has_a_dark_outline_all_around(index: int) -> None:
    sprite = draw_sprite(index).astype(int)
    opaque = np.pad(sprite[..., 3] == 255, 1)
    beside_nothing = ~(opaque[:-2, 1:-1] & opaque[2:, 1:-1] & opaque[1:-1, :-2] & opaque[1:-1, 2:])
    outline = sprite[beside_nothing & opaque[1:-1, 1:-1]]
    assert len(np.unique(outline, axis=0)) == 1
    brightness = sprite[sprite[..., 3] == 255][:, :3].sum(axis=1)
    assert outline[0, :3].sum() == brightness.min()


@given(indices, st.integers(min_value=2, max_value=8))
def test_larger_sizes_repeat_the_same_pixels(index: int, scale: int) -> None:
    large = draw_sprite(index, 16 * scale)
    assert np.array_equal(large, np.kron(draw_sprite(index), np.ones((scale, scale, 1), dtype=np.uint8)))


def test_an_index_draws_the_same_everywhere() -> None:
    drawn = hashlib.sha256(b"".join(draw_sprite(index).tobytes() for index in range(256)))
    # The art of this edition. Change it with the art, never to please a platform.
    assert drawn.hexdigest()[:16] == "65ed7d9764343813"


def test_ten_thousand_sprites_differ_and_every_family_is_common() -> None:
    assert len({draw_sprite(index).tobytes() for index in range(10_000)}) == 10_000
    families = Counter(family_of(index) for index in range(10_000))
    assert sorted(families) == list(range(len(FAMILIES)))
    assert min(families.values()) > 1_000


@pytest.mark.parametrize("family", FAMILIES)
def test_the_members_of_a_family_differ_in_shape_and_not_in_dye_alone(family: str) -> None:
    members = [index for index in range(800) if FAMILIES[family_of(index)] == family]
    shapes = {(draw_sprite(index).astype(int).sum(axis=2) == 0).tobytes() for index in members}
    assert len(shapes) >= 3


def test_numpy_integers_are_indices_too() -> None:
    assert np.array_equal(draw_sprite(np.int64(3), np.int32(32)), draw_sprite(3, 32))


@pytest.mark.parametrize("index", [-1, 1.5, "7", None])
def test_a_bad_index_is_named(index: object) -> None:
    with pytest.raises(
        ValueError, match=re.escape(f"index of a sprite must be a whole number from 0 on, not {index!r}")
    ):
        draw_sprite(index)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=re.escape(repr(index))):
        family_of(index)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, -16, 1, 8, 20, 16.0])
def test_a_bad_size_is_named_with_the_remedy(size: object) -> None:
    with pytest.raises(ValueError, match=rf"{size}.*(multiple of 16)|whole number from 1 on, not {size}"):
        draw_sprite(0, size)  # type: ignore[arg-type]


# --- as SVG ---


@given(indices)
def test_the_svg_covers_exactly_the_sprite_one_rectangle_a_run(index: int) -> None:
    sprite = draw_sprite(index)
    svg = sprite_svg(index)
    assert np.array_equal(rasterised(svg, 16), sprite)
    starts = np.pad((sprite[:, 1:] != sprite[:, :-1]).any(axis=2), ((0, 0), (1, 0)), constant_values=True)
    assert svg.count("M") == (starts & (sprite[..., 3] == 255)).sum()


def test_the_svg_has_a_text_alternative_and_crisp_edges() -> None:
    root = ElementTree.fromstring(sprite_svg(LOGO_INDEX, 64))
    expected = f"A {FAMILIES[family_of(LOGO_INDEX)]} sprite"
    assert root.findtext("{http://www.w3.org/2000/svg}title") == expected
    assert root.attrib["aria-label"] == expected
    assert (root.attrib["role"], root.attrib["shape-rendering"]) == ("img", "crispEdges")
    assert (root.attrib["width"], root.attrib["viewBox"]) == ("64", "0 0 16 16")


def test_the_logo_and_the_favicon_are_what_draw_sprite_draws() -> None:
    assert (ASSETS / "logo.svg").read_text(encoding="utf-8") == sprite_svg(LOGO_INDEX, 64)
    with Image.open(ASSETS / "favicon.png") as favicon:
        assert np.array_equal(np.array(favicon), draw_sprite(LOGO_INDEX, 32))


# --- on disk ---


def test_a_folder_holds_one_png_a_sprite_and_a_header(tmp_path: Path) -> None:
    folder = write_png_folder(tmp_path / "deep" / "sprites", 12, 32)
    assert [path.name for path in sorted(folder.glob("*.png"))] == [sprite_file_name(i) for i in range(12)]
    for index in range(12):
        with Image.open(folder / f"{index:06d}_{FAMILIES[family_of(index)]}.png") as file:
            assert np.array_equal(np.array(file), draw_sprite(index, 32))
    assert read_header(folder)["count"] == 12
    assert [path.name for path in folder.parent.iterdir()] == ["sprites"]


def test_a_packed_file_is_one_array_beside_a_header(tmp_path: Path) -> None:
    path = write_packed(tmp_path / "deep" / "sprites.bin", 12, 32)
    array = np.load(path, mmap_mode="r")
    assert array.dtype == np.uint8
    assert np.array_equal(array, [draw_sprite(index, 32).transpose(2, 0, 1) for index in range(12)])
    header = read_header(path)
    wanted = {
        "format": 1,
        "count": 12,
        "size": 32,
        "channels": 4,
        "dtype": "uint8",
        "families": list(FAMILIES),
    }
    assert {key: header[key] for key in wanted} == wanted
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["sprites.bin", "sprites.bin.json"]


def test_packing_holds_one_sprite_in_memory_and_not_all(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        path = write_packed(tmp_path / "sprites.npy", 400, 128)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < path.stat().st_size / 5


@WRITERS
def test_what_is_already_there_is_reused_as_it_is(write: Writer, tmp_path: Path) -> None:
    write(tmp_path / "sprites", 5)
    before = files_under(tmp_path)
    assert write(tmp_path / "sprites", 5) == tmp_path / "sprites"
    assert files_under(tmp_path) == before


@WRITERS
@pytest.mark.parametrize("wanted", [(4, 16), (6, 16), (5, 32)])
def test_another_set_is_never_overwritten(write: Writer, wanted: tuple[int, int], tmp_path: Path) -> None:
    write(tmp_path / "sprites", 5)
    before = files_under(tmp_path)
    with pytest.raises(
        FileExistsError, match="sprites holds something else; choose another name, or delete it"
    ):
        write(tmp_path / "sprites", *wanted)
    assert files_under(tmp_path) == before


@WRITERS
def test_a_foreign_file_is_never_overwritten(write: Writer, tmp_path: Path) -> None:
    (tmp_path / "sprites").write_text("my thesis")
    with pytest.raises(FileExistsError, match="something else"):
        write(tmp_path / "sprites", 5)
    assert list(files_under(tmp_path)) == ["sprites"]
    assert (tmp_path / "sprites").read_text() == "my thesis"


@WRITERS
def test_a_foreign_folder_is_never_overwritten(write: Writer, tmp_path: Path) -> None:
    (tmp_path / "sprites").mkdir()
    (tmp_path / "sprites" / "thesis.txt").write_text("all of it")
    before = files_under(tmp_path)
    with pytest.raises(FileExistsError, match="something else"):
        write(tmp_path / "sprites", 5)
    assert files_under(tmp_path) == before


@WRITERS
def test_a_changed_byte_is_noticed(write: Writer, tmp_path: Path) -> None:
    written = write(tmp_path / "sprites", 5)
    victim = written if written.is_file() else written / sprite_file_name(3)
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    with pytest.raises(FileExistsError, match="something else"):
        write(written, 5)


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch])
def test_an_extra_entry_in_a_folder_is_noticed(make: Callable[[Path], None], tmp_path: Path) -> None:
    folder = write_png_folder(tmp_path / "sprites", 5)
    make(folder / "extra")
    with pytest.raises(FileExistsError, match="something else"):
        write_png_folder(folder, 5)


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "sprites").mkdir()
    assert len(list(write_png_folder(tmp_path / "sprites", 5).iterdir())) == 6


@WRITERS
def test_an_interrupted_run_leaves_nothing_and_can_be_repeated(
    write: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(index: int, size: int = 16) -> NDArray[np.uint8]:
        if index == 40:
            raise KeyboardInterrupt
        return draw_sprite(index, size)

    read_header(write(tmp_path / "whole", 1))
    before = files_under(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(sprites, "draw_sprite", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "sprites", 50)
    assert files_under(tmp_path) == before
    assert read_header(write(tmp_path / "sprites", 50))["count"] == 50


def test_a_header_that_a_killed_run_left_alone_is_in_nobodys_way(tmp_path: Path) -> None:
    path = write_packed(tmp_path / "sprites.npy", 5)
    path.unlink()
    assert np.load(write_packed(path, 5)).shape == (5, 4, 16, 16)


def test_a_foreign_header_is_never_overwritten(tmp_path: Path) -> None:
    header_path = tmp_path / "sprites.npy.json"
    header_path.write_text("{}")
    with pytest.raises(FileExistsError, match=r"sprites\.npy\.json holds something else"):
        write_packed(tmp_path / "sprites.npy", 5)
    assert header_path.read_text() == "{}"
    assert [entry.name for entry in tmp_path.iterdir()] == ["sprites.npy.json"]


@WRITERS
def test_two_writers_at_once_agree(write: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second finds, at the end, that the first has been there."""
    rival = iter([write])

    def overtaken(index: int, size: int = 16) -> NDArray[np.uint8]:
        for first in rival:
            first(tmp_path / "sprites", 40)
        return draw_sprite(index, size)

    header = sprites._header(40, 16)
    monkeypatch.setattr(sprites, "_header", lambda *_: header)
    monkeypatch.setattr(sprites, "draw_sprite", overtaken)
    assert read_header(write(tmp_path / "sprites", 40))["count"] == 40
    assert not list(tmp_path.glob(".*"))


@WRITERS
@pytest.mark.parametrize("count", [0, -3, 2.5])
def test_a_bad_count_is_named(write: Writer, count: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"count of sprites must be a whole number from 1 on, not {count}"):
        write(tmp_path / "sprites", count)
    with pytest.raises(ValueError, match="cannot be 20 pixels"):
        write(tmp_path / "sprites", 5, 20)
    assert not list(tmp_path.iterdir())


def test_reading_the_header_of_nothing_says_what_writes_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="write_packed"):
        read_header(tmp_path / "sprites.npy")


@pytest.mark.parametrize(
    "change", [{"format": 2}, {"families": ["dragon"]}, {"drawing": "older"}, {"count": 0}, {"size": "big"}]
)
def test_a_header_of_another_edition_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    path = write_packed(tmp_path / "sprites.npy", 2)
    header_path = tmp_path / "sprites.npy.json"
    header_path.write_text(json.dumps({**json.loads(header_path.read_text()), **change}))
    with pytest.raises(ValueError, match=r"sprites\.npy\.json is damaged or of another edition"):
        read_header(path)


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00", '{"format": 1}'])
def test_a_damaged_header_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "sprites.npy.json").write_text(text)
    with pytest.raises(ValueError, match=r"sprites\.npy\.json is damaged"):
        read_header(tmp_path / "sprites.npy")
