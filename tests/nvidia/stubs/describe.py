"""Print, as JSON, what of an API the installed TensorRT and CUDA runtime have.

Signatures are read from the docstrings of the packages tensorrt-cu13-bindings and cuda-bindings;
the former needs the stub libraries (stub.c) on LD_LIBRARY_PATH if TensorRT's own are absent.

    python describe.py API.json > REAL.json
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

Parameter = tuple[str, str, bool]
"""Name, type, and whether it has a default."""


def signatures(doc: str, name: str) -> list[list[Parameter]]:
    """Parameters of every overload in a pybind11 docstring, excluding `self`."""
    found = []
    for line in doc.splitlines():
        match = re.match(rf"(?:\d+\. )?{name}\((.*)\) -> ", line)
        if not match or match[1] == "*args, **kwargs":
            continue
        text = re.sub(r"<[^<>]*>", "...", match[1]).replace("::", ".")
        function = ast.parse(f"def f({text}): ...").body[0]
        assert isinstance(function, ast.FunctionDef)
        arguments = function.args.args
        first_default = len(arguments) - len(function.args.defaults)
        found.append(
            [
                (argument.arg, _last_name(argument.annotation), index >= first_default)
                for index, argument in enumerate(arguments)
                if argument.arg != "self"
            ]
        )
    return found


def _last_name(annotation: ast.expr | None) -> str:
    name = ast.unparse(annotation).split(".")[-1] if annotation else ""
    return {"SupportsInt": "int", "Buffer": "buffer"}.get(name, name)  # names of 11 and of 10


def describe_class(cls: Any, known: dict[str, Any]) -> dict[str, Any]:
    """The methods with their overloads, and the properties, that exist of those in `known`."""
    methods = {}
    for name, overloads in known["methods"].items():
        real = json.loads(json.dumps(signatures(getattr(cls, name).__doc__ or "", name)))
        methods[name] = [overload for overload in overloads if overload in real]
    properties = [n for n in known["properties"] if isinstance(getattr(cls, n, 0), property)]
    return {"methods": methods, "properties": properties}


def describe_function(function: Any) -> dict[str, Any]:
    """Parameter names and number of return values of a cuda-bindings function."""
    doc = function.__doc__
    listed = re.match(rf"{function.__name__}\((.*)\)", doc)
    assert listed, doc
    parameters = [p.split(":")[0].split()[-1] for p in listed[1].split(", ") if p]
    # of CUDA 12 with spaces before each line
    section = re.search(r"\n( *)Returns\n *-+\n(.*?)(?:\n\n *[A-Z][^\n]*\n *-+\n|\Z)", doc, re.S)
    assert section, doc
    returned = [line for line in section[2].splitlines() if re.match(rf"{section[1]}\S", line)]
    return {"parameters": parameters, "returns": len(returned)}


def describe(known: dict[str, Any]) -> dict[str, Any]:
    """The names in `known`, as the installed packages now define them."""
    trt: Any = importlib.import_module("tensorrt_bindings")
    cuda: Any = importlib.import_module("cuda.bindings.runtime")
    structs = {}
    for name, fields in known["cuda"]["structs"].items():
        struct = getattr(cuda, name)
        structs[name] = [field for field in fields if hasattr(struct, field)]
    return {
        "tensorrt": {
            "classes": {
                name: describe_class(getattr(trt, name), parts)
                for name, parts in known["tensorrt"]["classes"].items()
            },
            "enums": members(trt, known["tensorrt"]["enums"]),
        },
        "cuda": {
            "functions": {
                n: describe_function(getattr(cuda, n)) for n in known["cuda"]["functions"]
            },
            "enums": members(cuda, known["cuda"]["enums"]),
            "structs": structs,
            "constants": {n: int(getattr(cuda, n)) for n in known["cuda"]["constants"]},
        },
    }


def members(module: Any, known: dict[str, list[str]]) -> dict[str, list[str]]:
    """The members that exist of enumerations."""
    return {
        enum: [name for name in names if name in getattr(module, enum).__members__]
        for enum, names in known.items()
    }


if __name__ == "__main__":
    json.dump(describe(json.loads(Path(sys.argv[1]).read_text())), sys.stdout, indent=1)
    print()
