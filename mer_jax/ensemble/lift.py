"""The only module that knows there is more than one run."""

import inspect
from collections.abc import Callable, Sequence
from typing import Literal

import jax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from mer_jax.errors import UserError
from mer_jax.typing import PyTree

RUN = "run"
Spmd = Literal["shard_map", "pmap"]


def run_mesh(devices: int | None = None) -> jax.sharding.Mesh:
    """Returns a mesh of one axis, the runs.

    Args:
      devices: how many of `jax.devices()`; all of them where None.

    Raises:
      UserError: if there are fewer.
    """
    available = jax.devices()
    count = len(available) if devices is None else devices
    if not 1 <= count <= len(available):
        raise UserError(
            f"--devices {count}: this process has {len(available)} "
            f"{available[0].platform} device(s). Choose 1 to {len(available)}"
            + (
                "; more CPU devices: set JAX_NUM_CPU_DEVICES before starting"
                if available[0].platform == "cpu"
                else ""
            )
        )
    return jax.make_mesh(
        (count,), (RUN,), axis_types=(AxisType.Auto,), devices=available[:count]
    )


def lift(
    fn: Callable,
    mesh: jax.sharding.Mesh,
    *,
    lanes: int = 1,
    shared: Sequence[str] = (),
    donate: Sequence[str] = (),
    spmd: Spmd = "shard_map",
) -> Callable:
    """Turns `fn` of one run into `fn` of L runs, L = devices * lanes.

    Runs are sharded over the devices and, with several lanes, `vmap`ped inside
    one. With one lane there is no `vmap`: each device runs the program of a run
    alone. Runs never talk to each other; the program holds no collective.

    Args:
      fn: pure function of one run, positional arguments.
      mesh: from `run_mesh`.
      lanes: runs per device.
      shared: names of arguments every run sees whole (the resident clips). All
        others, and every result, gain a leading [L] axis.
      donate: names of arguments whose buffers the result may reuse (the state).
      spmd: "shard_map", or "pmap", which since JAX 0.8 is the same thing behind a
        [devices, lanes] shape; tests hold the two bitwise equal.

    Returns:
      The compiled-on-first-use function of L runs.
    """
    names = list(inspect.signature(fn).parameters)
    donated = tuple(i for i, name in enumerate(names) if name in donate)
    axes = tuple(None if name in shared else 0 for name in names)
    each = jax.vmap(fn, in_axes=axes)

    def alone(*args):
        own = [a if ax is None else _first(a) for a, ax in zip(args, axes, strict=True)]
        return jax.tree.map(lambda x: x[None], fn(*own))

    if spmd == "shard_map":
        mapped = jax.shard_map(
            alone if lanes == 1 else each,
            mesh=mesh,
            in_specs=tuple(P() if ax is None else P(RUN) for ax in axes),
            out_specs=P(RUN),
        )
        return jax.jit(mapped, donate_argnums=donated)
    if spmd == "pmap":
        # The devices axis is pmap's own; what is left inside is [lanes, ...]. Every
        # argument travels in a tuple: where there are as many leaves as arguments,
        # jax.pmap pairs `in_axes` with leaves, wrongly if one is empty (jax 0.10).
        mapped = jax.pmap(
            lambda *boxes: (fn if lanes == 1 else each)(*(a for (a,) in boxes)),
            in_axes=tuple((ax,) for ax in axes),
            donate_argnums=donated,
            devices=list(mesh.devices.flat),
        )
        split = lambda x: x.reshape((mesh.size, lanes) + x.shape[1:])
        join = lambda x: x.reshape((mesh.size * lanes,) + x.shape[2:])

        def regrouped(*args):
            if lanes > 1:
                args = tuple(
                    a if ax is None else jax.tree.map(split, a)
                    for a, ax in zip(args, axes, strict=True)
                )
            out = mapped(*((a,) for a in args))
            return jax.tree.map(join, out) if lanes > 1 else out

        return jax.jit(regrouped, donate_argnums=donated)
    raise UserError(f"--spmd must be shard_map or pmap, got {spmd!r}")


def _first(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda x: x[0], tree)


def per_run(mesh: jax.sharding.Mesh) -> NamedSharding:
    """Returns the sharding of [L, ...] arrays: runs over the devices."""
    return NamedSharding(mesh, P(RUN))


def put(mesh: jax.sharding.Mesh, stacked: PyTree) -> PyTree:
    """Returns [L, ...] arrays on the devices, runs sharded over them."""
    return jax.device_put(stacked, per_run(mesh))


def replicate(mesh: jax.sharding.Mesh, shared: PyTree) -> PyTree:
    """Returns arrays whole on every device."""
    return jax.device_put(shared, NamedSharding(mesh, P()))
