"""The pixel art itself: parts, dyes, and how a number chooses among them."""

from __future__ import annotations

import operator
from functools import cache
from hashlib import blake2b
from typing import SupportsIndex

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAMILIES", "LOGO_INDEX", "draw_sprite", "family_of"]

FAMILIES = ("creature", "goblin", "ghost", "robot", "mushroom", "potion", "helmet", "sword")
"""What a sprite can be; its label is a position in this tuple."""

LOGO_INDEX = 9359
"""The sprite that stands for the project, in its logo and favicon."""

NATIVE_SIZE = 16
"""The side of a sprite as it is drawn; other sizes are multiples of it."""

# Left halves; the right half is the mirror image. Columns of one name are alternatives.
# . clear  X outline  - shade  # base  o light  + accent  a-f base or accent: each letter tosses one coin
_ART = """
creature creature creature creature goblin   goblin   goblin   ghost    ghost    ghost    robot    robot
........ ........ ........ ........ ........ ........ ........ ........ ........ ........ ........ ........
........ ........ ........ ........ ........ ......## .......+ ........ ........ ........ ........ ........
........ ........ ........ ........ ........ .....#o# .....+++ .....### ......## ....#### ........ ........
.....### ....#### ......## ....#### .....### ....#oo# ....++++ ...#oo## ....#o## ...#oo## ..###### ....####
...#oo## ...#o### ....#o## ..#oo### ...#oo## ...##### ...+++++ ...#o### ...#o### ..#o#### .#oo#### ...#oo##
..#o#### ..#o#### ...#o### ..#o#### .#.##### .#.##### .#.+++++ ..#o#### ...#o### ..#o#### .#o##### ..#oo###
..###### ..###### ..#o#### .####### .##+#### .##+#### .##+#### ..###### ..###### ..###### .####### ..######
.####### ..###### ..###### .####### .##+#### .##+#### .##+#### ..###### ..###### ..###### .####### ..######
.####### .####### .####### .####### ..-+#### ..-+#### ..-+#### ..###### ..###### ..###### .####### ..######
.####### .####### .####### .####### ...##### ...##### ...##### .####### ..###### ..###### ..###### ...#####
.###aaaa .#.##### .####### ..###### ....#### ....#### ....#### .####### .####### .####### ...----- ..------
.##abbbb ...#aabb .##aaaaa ...#aabb ...+++++ ...aabb+ ...#aaaa .#.##### .####### .####### ..##aabb .##aabbc
..#abbbb ...#aabb ..#bbbbb ...#aabb ..##++++ ..#aabb+ ..#bcccc ...##### ..###### .####### .#.#aabb .#.#abcc
..###... ...##... .##.##.# ..##..## ....##.. ....##.. ....##.. ....#.## .....### .##.##.# ..##.... ...##...

mushroom mushroom mushroom potion   potion   potion   helmet   helmet   helmet   blades   blades   blades
.....### ......## ........ .....+++ ......++ ....++++ ........ ........ ........ .......o .......o .......o
...##### ....#aa# ....#### .....--- ......-- ....---- ........ ........ ........ ......o# ......oo .......o
..#oo#aa ...#oaa# ..#oaa## ....oooo ....oooo .....ooo .....### ....#### ......## ......o- .....oo# ......oo
..#o##aa ..#oo### .#o#aa## .....o## .....o## ....oo## ...#oo## ..#oo### ....#o## ......o- .....o#- ......o#
.#####aa ..bb##cc .bb###cc .....o## .....o## ....o### ..#oo### ..#o#### ...#oo## ......o- .....o#- ......o#
.#bb#### .bbb##cc .bb###cc ....oooo ....oooo ...ooooo ..#o#### ..###### ..#oo### ......o- .....o#- .....oo#
.#bb##cc .#b###d# .####dd# ...o#### ...o#### ..o##### ..###### ..###### ..#o#### ......o- .....o#- .....o#-
.#####cc .###ee## ..###### ..oo#### ..o##### ..o##### .####### .####### ..###### ......o- .....o#- .....o#-
.---oooo ..--oooo ....oooo ..o##a## .oo##a## ..oa#### .####### .####### .####### ......o- .....o#- .....o#-
...ooooo ...ooooo ...ooooo ..o##### .o###### ..o###b# .####### .####### .####### ........ ........ ........
...ooooo ...ooooo ...ooooo ..ob##c# .o#b##c# ..o#c### .####### ..###### .####### ........ ........ ........
...ooooo ..oooooo ..oooooo ..###### .####### ..###### ..###### ..###### ..###### ........ ........ ........
...ooooo ..oooooo ..oooooo ...##### ...##### ...##### ...##### ..###### ...##### ........ ........ ........
....oooo ...ooooo ....oooo ........ ........ ........ ........ ........ ........ ........ ........ ........

tops     tops     tops     tops     tops     tops     tops     tops     aerials  aerials  aerials  aerials
........ ..o..... ........ ........ ........ ........ ..##.... ........ ..++.... ......++ ........ ....+..+
........ ..o#.... ..##.... ...++... ....+..+ ......++ ..#+.... ..++.... ..++.... ......++ .++..... ....++++
........ ..##.... ..#+#... ....++++ ....++++ .....+++ ..#+#... ..++X... ...-.... .......- ..+-.... .....+++
........ ...##... ..#++#.. ......-- ....+o+o ......++ ...##... ....X... ...-.... .......- ....-... .......-

spooks   spooks   spooks   spooks   spooks   plumes   plumes   plumes   plumes   plumes
....++++ ........ .....+++ ......#. ........ ........ .....+++ .o...... .......o .++.....
........ ....+..+ .....+++ ......## ........ ......++ ....++++ .oo..... .......o .+++....
........ ....++++ ...+++++ .......# ........ .....+++ ....++++ ..oo.... ......oo ..+++...
........ ....+o+o ........ ........ ........ ....++++ .......+ ...oo... ......oo ...++...

eyes     eyes     eyes     eyes     eyes     eyes     eyes     eyes     pupils   pupils   pupils   pupils
....oo.. ........ ...X.... ......oo ....X... ...ooo.. ..XXXXXX ...oo... ....XX.. ....oX.. ....X... ........
....oX.. ....oX.. ...oXX.. .....ooX ...X.X.. ...oXo.. ..X+oX++ ...ooX.. ....XX.. ....XX.. ...X.X.. ....X...
....oX.. ....XX.. ...ooX.. ......oo ........ ...ooo.. ..XXXXXX ...oX... ........ ....XX.. ........ ....X...

mouths   mouths   mouths   mouths   mouths   mouths   smiles   smiles   smiles   smiles
.....X.. ....XXXX ......XX ......XX ..++.X.. ....XXXX .....X.. ..++...X ......XX .......X
......XX .....o.. ......++ ........ ......XX ....XoXo ......XX ........ ......++ .......X

screens  screens  screens  screens  screens  visors   visors   visors   visors   emblems  emblems  emblems
..XXXXXX ..XXXXXX ..XXXXXX ..oo.... ..XXXXXX ..XXXXXX ..XXXXX. ..XXXXXX .+++++++ ........ .....++. .......+
..X++XXX ..X+XXXX ..X++XXX ..oX.... ..XXXXo+ ..X+oXX. ..X++XX. ........ ..XXXXXX ....oX.. ....+o++ ......++
..X++XXX ..X+XXXX ..XXXXXX ........ ..XXXXXX ..XXXXX. ..XXXXXX ..XXXXXX ........ ....XX.. ....++++ .....+o+
..XXXXXX ..XXX+++ ..XX++++ ...XXXXX ..XXXXXX ......X. ......XX ...X.X.X ...X.X.X ........ .....+++ .....+++
..XXXXXX ..XXXXXX ..XXXXXX ...XoXoX ........ ......X. ......XX ...X.X.X ...X.X.X ......XX ......++ ......++

emblems  emblems  hilts    hilts    hilts    hilts
.......+ ........ ........ ..+..... .+++.... ........
......++ ....o.de ...++aaa ..++++aa ..+++aaa .....aa+
.....+o+ ...o..de ......-- .......- ......-- ....+.--
.....+++ ....f..c ......b- .......b ......b- ......b-
......++ ........ ......++ ......++ .......+ .....+++
"""
_LEGEND = ".X-#o+abcdef"
_CLEAR, _OUTLINE, _SHADE, _BASE, _LIGHT, _ACCENT = range(6)

# What is drawn over what, and from which row on.
_RECIPES = {
    "creature": (("tops", 1), ("creature", 1), ("eyes", 7), ("mouths", 10)),
    "goblin": (("goblin", 1), ("eyes", 7), ("mouths", 10)),
    "ghost": (("spooks", 1), ("ghost", 1), ("pupils", 7), ("smiles", 10)),
    "robot": (("aerials", 1), ("robot", 1), ("screens", 6)),
    "mushroom": (("mushroom", 1), ("pupils", 10), ("smiles", 12)),
    "potion": (("potion", 1), ("emblems", 8)),
    "helmet": (("plumes", 1), ("helmet", 1), ("visors", 8)),
    "sword": (("blades", 1), ("hilts", 10)),
}

# Outline, shade, base and light of each dye.
_RAMPS = np.frombuffer(
    bytes.fromhex(
        "3a1428b13053ec4a57ffe3d3 3b1a1fc65a26f59a3bffeccb 3d2412c98a1bf7cf47fff8d6 1d2b1a5c9a2ea2d149f2ffd0"
        "0f2b2b1f8a5b3cc97adcffe0 0d2a381a8a9338c8c0dafff5 14244a2f6fd05cb3f5e3f6ff 1a17454a48c47d85f5e6e6ff"
        "2a12457a3cc0b06cf0f4e3ff 3d1238c43e8ff57fbfffe6f3 2b1a16855038c08457ffe9cf 1b223362708fa3b4ccf4f8ff"
    ),
    dtype=np.uint8,
).reshape(-1, 4, 3)


@cache
def _parts() -> dict[str, list[NDArray[np.uint8]]]:
    """The alternatives of each part: arrays of positions in the legend, 8 columns wide."""
    parts: dict[str, list[NDArray[np.uint8]]] = {}
    for block in _ART.strip().split("\n\n"):
        names, *rows = (line.split() for line in block.splitlines())
        for name, column in zip(names, zip(*rows, strict=True), strict=True):
            drawn = [[_LEGEND.index(cell) for cell in row] for row in column]
            parts.setdefault(name, []).append(np.array(drawn, dtype=np.uint8))
    return parts


def _dice(index: SupportsIndex) -> bytes:
    """32 bytes that depend on ``index`` alone: numpy's generators may change between versions."""
    number = whole_number("the index of a sprite", index, least=0)
    return blake2b(str(number).encode(), digest_size=32, person=b"spritedocs").digest()


def whole_number(what: str, value: SupportsIndex, least: int) -> int:
    """``value`` as an ``int``, if it is a whole number from ``least`` on; else ``ValueError`` names it."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ValueError(f"{what} must be a whole number from {least} on, not {value!r}")
    return number


def scale(size: SupportsIndex) -> int:
    number = whole_number("the size of a sprite", size, least=1)
    if number % NATIVE_SIZE:
        raise ValueError(f"a sprite cannot be {number} pixels wide; choose a multiple of {NATIVE_SIZE}")
    return number // NATIVE_SIZE


def family_of(index: SupportsIndex) -> int:
    """The label of a sprite: the position of its family in ``FAMILIES``.

    Examples:
        >>> FAMILIES[family_of(7)]
        'goblin'
    """
    return _dice(index)[0] % len(FAMILIES)


def draw_sprite(index: SupportsIndex, size: SupportsIndex = NATIVE_SIZE) -> NDArray[np.uint8]:
    """Draw one sprite: mirrored left to right, outlined, in at most five colours on a clear ground.

    ``index`` is any whole number from 0 on; the same index gives the same pixels on every platform,
    and no two of the first 10,000 are alike. ``size`` is the side in pixels, a multiple of 16.

    Returns RGBA pixels: uint8, shape (size, size, 4), alpha 0 or 255. Raises ``ValueError`` for any
    other index or size.

    Examples:
        >>> sprite = draw_sprite(7)
        >>> sprite.shape, sprite.dtype.name
        ((16, 16, 4), 'uint8')
        >>> bool((sprite == sprite[:, ::-1]).all())
        True
    """
    times = scale(size)
    dice = _dice(index)
    family = FAMILIES[dice[0] % len(FAMILIES)]
    half = np.zeros((NATIVE_SIZE, NATIVE_SIZE // 2), dtype=np.uint8)
    for die, (name, row) in zip(dice[4:], _RECIPES[family], strict=False):
        alternatives = _parts()[name]
        part = alternatives[die % len(alternatives)]
        np.copyto(half[row : row + len(part)], part, where=part != _CLEAR)
    coins = [_ACCENT if dice[3] >> coin & 1 else _BASE for coin in range(len(_LEGEND) - 6)]
    half = np.array([*range(6), *coins], dtype=np.uint8)[half]
    half = _dye(family, dice)[_outlined(half)]
    return np.hstack([half, half[:, ::-1]]).repeat(times, axis=0).repeat(times, axis=1)


def _outlined(half: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``half`` with a dark line around everything, and a shadow where its lower part ends."""
    # The column beyond the centre is the mirror image of the last, so nothing is outlined there.
    filled = np.pad(np.pad(half, ((0, 0), (0, 1)), mode="edge"), ((1, 1), (1, 0))) > _OUTLINE
    beside = filled[:-2, 1:-1] | filled[2:, 1:-1] | filled[1:-1, :-2] | filled[1:-1, 2:]
    outlined = np.where((half == _CLEAR) & beside, np.uint8(_OUTLINE), half)
    lower = outlined[10:-1]
    lower[(lower == _BASE) & (outlined[11:] == _OUTLINE)] = _SHADE
    return outlined


def _dye(family: str, dice: bytes) -> NDArray[np.uint8]:
    """RGBA of each role, shape (6, 4). Vats differ a little, so that sprites of one shape seldom match."""
    ramp = dice[1] % len(_RAMPS)
    # Two to ten dyes further on: the accent stands out, and is never the base.
    accent = (ramp + 2 + dice[2] % (len(_RAMPS) - 3)) % len(_RAMPS)
    vat = np.frombuffer(dice[8:14], dtype=np.uint8).reshape(2, 3) % 16
    outline, shade, base, light = _RAMPS[ramp]
    shade, base = shade - vat[0], base - vat[0]
    mixed = base // 2 + light // 2
    if family == "ghost":
        shade, base, light = mixed, light - vat[0], np.full_like(light, 255)
    elif family == "sword":
        base = mixed
    colours = np.zeros((6, 4), dtype=np.uint8)
    colours[_OUTLINE:, :3] = outline, shade, base, light, _RAMPS[accent, 2] - vat[1]
    colours[_OUTLINE:, 3] = 255
    return colours
