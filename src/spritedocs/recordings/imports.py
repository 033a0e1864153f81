"""Which modules of the package a script or a module imports, found by text.

A name that is imported from a wing is followed through the wing's face to the module that has it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

__all__ = ["imported", "module_path"]

_FROM = re.compile(
    r"(?:^|[:;])[ \t]*from[ \t]+(?P<where>[\w.]+)[ \t]+import[ \t]*"
    r"(?:\((?P<block>[^)]*)\)|(?P<names>[^\n(;]*))",
    re.MULTILINE,
)
_IMPORT = re.compile(r"(?:^|[:;])[ \t]*import[ \t]+(?P<names>[^\n;]+)", re.MULTILINE)
_ATTACHED = re.compile(r"""["']([\w.]+)["']\s*:\s*[\[({]([^\])}]*)[\])}]""")


def imported(code: str, package: Path, name: str = "") -> set[str]:
    """The names of the modules in the folder ``package`` that ``code`` imports; code without comments.

    ``name`` is the module's that it is of, for the imports that are relative to it. Modules are named by
    their path in the package. Of a wing that is imported as a whole, or for a name that its face does
    not tell, it is all of its modules.

    Examples:
        >>> from spritedocs import datasets
        >>> sorted(imported("from spritedocs import datasets, model", Path(datasets.__file__).parent))
        ['datasets', 'model', 'model.epoch', 'model.sharing']
    """
    found: set[str] = set()
    for where, what in _statements(code):
        if (module := _absolute(where, package, name)) is not None:
            found |= _found(package, module, what)
    return found


def module_path(package: Path, name: str) -> Path:
    """The file of the module ``name``, which for a wing is its face."""
    path = package.joinpath(*filter(None, name.split(".")))
    return path / "__init__.py" if path.is_dir() else path.with_name(f"{path.name}.py")


@lru_cache(maxsize=512)
def _statements(code: str) -> tuple[tuple[str, str], ...]:
    """What ``code`` imports: from where, and the name, which is empty where all of it is imported."""
    code = code.replace("\\\n", " ")
    found = [(name.split()[0], "") for each in _IMPORT.finditer(code) for name in _parts(each["names"])]
    for each in _FROM.finditer(code):
        found += [(each["where"], name.split()[0]) for name in _parts(each["block"] or each["names"] or "")]
    return tuple(found)


def _parts(names: str) -> list[str]:
    return [name for name in names.split(",") if name.strip()]


def _absolute(where: str, package: Path, name: str) -> str | None:
    """The path in the package that ``where`` stands for in the module ``name``; ``None`` outside of it."""
    levels = len(where) - len(where.lstrip("."))
    if not levels:
        return where.partition(".")[2] if where.partition(".")[0] == "spritedocs" else None
    parts = name.split(".") if name else []
    above = levels - (module_path(package, name).name == "__init__.py")
    return ".".join([*parts[: len(parts) - above], *filter(None, where.split("."))])


def _found(package: Path, module: str, name: str) -> set[str]:
    """The modules that hold ``name`` of ``module``; without a name the module, or all of a wing."""
    path = module_path(package, module)
    if not path.is_file():
        return set()
    if path.name != "__init__.py":
        return {module}
    target, target_name = _offered_from(package, module, name)
    if target != module:
        return _found(package, target, target_name)
    inner = f"{module}.{name}".lstrip(".")
    if name and module_path(package, inner).is_file():
        return _found(package, inner, "")
    # Of the package itself no name is anybody's: it only says its version.
    return _everything(package, path.parent) if module or name in ("", "*") else set()


def _everything(package: Path, folder: Path) -> set[str]:
    paths = (path.relative_to(package).with_suffix("") for path in folder.rglob("*.py"))
    parts = (path.parts[:-1] if path.name == "__init__" else path.parts for path in paths)
    return {".".join(each) for each in parts if each}


def _offered_from(package: Path, module: str, name: str) -> tuple[str, str]:
    """The module that has ``name``, which a wing's face may offer, and what it is called there."""
    face = module_path(package, module)
    for path in (face.with_suffix(".pyi"), face):
        for offered, where, there in reversed(
            _offered(path.read_text(encoding="utf-8") if path.is_file() else "")
        ):
            if offered == name and (target := _absolute(where, package, module)) is not None:
                return target, there
    return module, name


@lru_cache(maxsize=64)
def _offered(text: str) -> tuple[tuple[str, str, str], ...]:
    """Each name that the text of a face offers, from where, and what it is called there."""
    code = re.sub(r"#[^\n]*", "", text).replace("\\\n", " ")
    found = [
        (name, f".{module}", name)
        for module, names in (_ATTACHED.findall(code) if "attach" in code else ())
        for name in re.findall(r"\w+", names)
    ]
    for each in _FROM.finditer(code):
        parts = (name.split() for name in _parts(each["block"] or each["names"] or ""))
        found += [(part[-1], each["where"], part[0]) for part in parts]
    return tuple(found)
