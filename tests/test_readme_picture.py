"""README's picture is what the package draws: the model that waits, and the helpers on their way to it.

    python tests/test_readme_picture.py

draws it anew.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from spritedocs.sprites import draw_sprite

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "assets" / "helpers.png"

PIXEL = 6
"""How many pixels a pixel of the drawing has."""
PANEL, PATH, GROUND = "#f4f1ea", "#c2470f", "#0f7b6c"
HELPERS = (7, 8, 2, 31)


def drawn() -> Image.Image:
    scene = Image.new("RGB", (148, 46), PANEL)
    for x in range(0, 148, 6):
        scene.paste(GROUND, (x, 42, x + 4, 43))
    for x in range(44, 64, 4):
        scene.paste(PATH, (x, 36, x + 2, 38))
    places = [(17, 8, 8, 32), *((n, 68 + 19 * i, 24 - 2 * (i % 2), 16) for i, n in enumerate(HELPERS))]
    for number, left, top, size in places:
        sprite = Image.fromarray(draw_sprite(number, size))
        scene.paste(sprite, (left, top), sprite)
    return scene.resize((PIXEL * scene.width, PIXEL * scene.height), Image.Resampling.NEAREST)


def test_the_picture_is_of_the_sprites_that_the_package_draws() -> None:
    with Image.open(PICTURE) as committed:
        assert np.array_equal(np.asarray(committed.convert("RGB")), np.asarray(drawn()))
    assert PICTURE.stat().st_size <= 20_000


def test_the_readme_shows_it_with_words_for_who_sees_none() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"](docs/assets/{PICTURE.name})" in text
    assert "![]" not in text
    assert len(text.splitlines()) <= 90


if __name__ == "__main__":
    drawn().quantize(64).save(PICTURE, optimize=True)
