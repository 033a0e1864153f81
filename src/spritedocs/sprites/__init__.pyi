from .files import read_header, sprite_file_name, write_packed, write_png_folder
from .pixel_art import FAMILIES, LOGO_INDEX, draw_sprite, family_of, whole_number
from .svg import sprite_svg

__all__ = [
    "FAMILIES",
    "LOGO_INDEX",
    "draw_sprite",
    "family_of",
    "read_header",
    "sprite_file_name",
    "sprite_svg",
    "whole_number",
    "write_packed",
    "write_png_folder",
]
