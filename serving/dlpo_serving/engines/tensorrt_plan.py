"""Which TensorRT plan of a bundle runs on this machine, and what to do where none does.

A plan holds kernels chosen by measuring on one GPU with one TensorRT. On others it would fail or be
slow, so it is refused by name rather than tried.
"""

from __future__ import annotations

from collections.abc import Sequence

from dlpo.bundle import Manifest, PlanInfo, Precision
from dlpo.errors import EngineError
from dlpo.nvidia import Gpu

PREFERENCE: tuple[Precision, ...] = ("fp16", "fp32", "int8_symmetric")  # int8 is for who asks
REBUILD = "build the plan on this machine: dlpo export BUNDLE --tensorrt --out NEW_BUNDLE"


def choose_precision(manifest: Manifest, gpu: Gpu, tensorrt: str) -> Precision:
    """The first of fp16, fp32, int8_symmetric in which the default denoiser has a fitting plan.

    Raises:
        EngineError: none fits.
    """
    graph = f"denoiser_{manifest.steps}"
    plans = [plan for plan in manifest.plans if plan.graph == graph]
    fitting = {plan.precision for plan in plans if misfit(plan, gpu, tensorrt) is None}
    for precision in PREFERENCE:
        if precision in fitting:
            return precision
    raise _refusal(graph, None, plans, gpu, tensorrt)


def choose_plan(
    manifest: Manifest, graph: str, precision: Precision, gpu: Gpu, tensorrt: str
) -> PlanInfo:
    """The plan of a graph that runs here; one built for just this machine before a portable one.

    Args:
        graph: such as `denoiser_3`.
        tensorrt: version that is installed, such as `11.4.0.106`.

    Raises:
        EngineError: none fits; says why not each, and how to build one.
    """
    plans = [p for p in manifest.plans if p.graph == graph and p.precision == precision]
    fitting = [plan for plan in plans if misfit(plan, gpu, tensorrt) is None]
    if not fitting:
        raise _refusal(graph, precision, plans, gpu, tensorrt)
    return min(fitting, key=lambda p: (p.gpu != gpu.name, p.tensorrt != tensorrt, p.runs_on))


def misfit(plan: PlanInfo, gpu: Gpu, tensorrt: str) -> str | None:
    """Why a plan does not run here, or None if it does."""
    same_capability = plan.compute_capability == gpu.compute_capability
    runs_here = {
        "same": plan.gpu == gpu.name and same_capability,
        "compute_capability": same_capability,
        "ampere_plus": int(gpu.compute_capability.split(".")[0]) >= 8,
    }[plan.runs_on]
    if not runs_here:
        return f"is for {plan.gpu} (compute capability {plan.compute_capability})"
    if plan.tensorrt == tensorrt:
        return None
    built, here = _numbers(plan.tensorrt), _numbers(tensorrt)
    if plan.version_compatible and built[0] == here[0] and built <= here:
        return None
    return f"is for TensorRT {plan.tensorrt}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _refusal(
    graph: str,
    precision: Precision | None,
    plans: Sequence[PlanInfo],
    gpu: Gpu,
    tensorrt: str,
) -> EngineError:
    here = f"{gpu.name}, compute capability {gpu.compute_capability}, TensorRT {tensorrt}"
    why = "; ".join(f"{plan.file} {misfit(plan, gpu, tensorrt)}" for plan in plans)
    return EngineError(
        f"the bundle has no TensorRT plan of {graph}{f' in {precision}' if precision else ''} for"
        f" this machine ({here}){': ' + why if why else ''}; {REBUILD}"
    )
