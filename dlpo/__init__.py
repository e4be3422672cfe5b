"""dlpo: few-step diffusion speech, streamed over gRPC, with tools to train and tune it.

    from dlpo import Voice

    Voice("heart").save("The train leaves at 7:45.", "train.wav")

`Voice` speaks in this process, `Client` through a server, `AsyncClient` too, for asyncio; `detect`
says whether dlpo spoke in a file. They are loaded when they are first used: `import dlpo` alone
takes milliseconds. These names are what 1.x promises.
"""

from dlpo.version import __version__

TYPE_CHECKING = False  # typing's, which takes longer to import than all of this
if TYPE_CHECKING:
    from dlpo.mark.files import detect
    from dlpo_serving.clients import AsyncClient, Client
    from dlpo_serving.speaking import Voice

__all__ = ["AsyncClient", "Client", "Voice", "__version__", "detect"]
_PLACES = {
    "AsyncClient": "dlpo_serving.clients",
    "Client": "dlpo_serving.clients",
    "Voice": "dlpo_serving.speaking",
    "detect": "dlpo.mark.files",
}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    from dlpo.errors import needs

    with needs("serve"):
        module = import_module(_PLACES[name])
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
