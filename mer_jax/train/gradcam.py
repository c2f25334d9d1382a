"""Grad-CAM: where in a frame a net finds what speaks for a class.

Selvaraju et al. 2017 (ICCV). Nets need nothing for it: linen hands over what each of
their modules gives, and goes on with what it gets back.

Shapes: B clips, F frames of each, h w the map, C its channels, H W the frames.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING

import flax.linen as nn
import jax
import jax.numpy as jnp

from mer_jax.typing import Batch, ModelState, Params

if TYPE_CHECKING:  # it uses this module
    from mer_jax.train.stage import System

Predict = Callable[[], jax.Array]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Map:
    """A map of a net to look at: as a rule the last that still has positions.

    Attributes:
      module: path, "separator/backbone", of a linen module inside the net, not inside
        what is rematerialised. It is called once and gives [B, h, w, C],
        [B, F, h, w, C], or [B * F, h, w, C], in which the frames of a clip follow one
        another. Of several arrays the path goes on: "branch/map", the field `map`.
      frames: what the net saw, `batch -> [B, F, H, W, channels]`, of any range; None
        where that is no picture.
      at: position of the frame that is drawn; None for the frame of each clip that
        says most for the class, by the sum of its CAM.
    """

    module: str
    frames: Callable[[Batch], jax.Array] | None = None
    at: int | None = None


def grad_cam(
    predict: Predict, modules: Collection[str], *, classes: jax.Array | None = None
) -> tuple[jax.Array, dict[str, jax.Array]]:
    r"""Weighs the channels of maps by what they do for the logit of a class.

    .. math::
      \alpha_c = \frac{1}{h w} \sum_{i,j} \frac{\partial y_k}{\partial A_{ijc}},
      \quad L = \mathrm{ReLU} \sum_c \alpha_c A_c      (equations 1 and 2)

    Every frame has weights of its own, in nets whose windows span frames, too.

    Args:
      predict: `() -> logits [B, K]`, in evaluation mode, as a clip's logits must not
        depend on another's. Not compiled by itself: modules would not be called anew.
      modules: paths of modules, as in `Map`.
      classes: int[B], k; None for those predicted.

    Returns:
      The logits, as of `predict` up to rounding; and by module L, float32[B, F, h, w]
      in [0, 1], over the greatest of all frames of a clip. Where nothing speaks for
      the class it is 0.

    Raises:
      ValueError: if a module is none, or gives no map, or several.
    """
    nothing = _nothing(predict, modules)

    def score(added):
        found = {}

        def add(name, out):
            if name not in added:
                return out
            found[name] = out
            return out + added[name]

        with _changing(add):
            logits = predict()
        own = logits.argmax(-1) if classes is None else classes
        total = jnp.take_along_axis(logits, own[:, None], axis=1).sum()
        return total, (logits, found)

    slopes, (logits, found) = jax.grad(score, has_aux=True)(nothing)
    clips = len(logits)
    return logits, {name: _cam(found[name], slopes[name], clips) for name in modules}


def overlays(
    system: "System", params: Params, model_state: ModelState, batch: Batch
) -> dict[str, jax.Array]:
    """Returns the Grad-CAM of the class that is predicted, over one frame of each clip.

    Args:
      system: whose `maps` are looked at.
      params: its nets.
      model_state: likewise.
      batch: clips.

    Returns:
      By their names float32[B, H, W, 2]: the frame as grey values, from the darkest
      to the brightest of a clip's frames, and its CAM between pixels bilinearly, both
      in [0, 1]. The CAM alone, [B, h, w], where the frames are not known.

    Raises:
      ValueError: see `grad_cam`; if there are not as many frames as the map has.
    """
    predict = functools.partial(system.predict, params, model_state, batch)
    maps = system.maps
    _, cams = grad_cam(predict, sorted({own.module for own in maps.values()}))
    return {name: _over(own, cams[own.module], batch) for name, own in maps.items()}


def _over(own: Map, cam: jax.Array, batch: Batch) -> jax.Array:
    clips, count = cam.shape[:2]
    if not 0 <= (own.at or 0) < count:
        raise ValueError(f"map of {own.module!r} has {count} frames, none at {own.at}")
    most = cam.sum((2, 3)).argmax(1)
    place = most if own.at is None else jnp.full(clips, own.at)
    pick = lambda x: jnp.take_along_axis(x, place[:, None, None, None], axis=1)[:, 0]
    if own.frames is None:
        return pick(cam)
    frames = _single(own.frames(batch)).mean(-1)
    if frames.shape[:2] != (clips, count):
        raise ValueError(
            f"map of {own.module!r} has {count} frames of {clips} clips, and `frames` "
            f"gives {list(frames.shape[:2])}"
        )
    low, high = (f(frames, (1, 2, 3), keepdims=True) for f in (jnp.min, jnp.max))
    grey = pick((frames - low) / _divisor(high - low))
    return jnp.stack([grey, jax.image.resize(pick(cam), grey.shape, "bilinear")], -1)


def _cam(map: jax.Array, slope: jax.Array, clips: int) -> jax.Array:
    by_frame = lambda x: _single(x).reshape(clips, -1, *x.shape[-3:])
    weights = by_frame(slope).mean((2, 3), keepdims=True)
    cam = nn.relu((weights * by_frame(map)).sum(-1))
    return cam / _divisor(cam.max((1, 2, 3), keepdims=True))


def _single(x: jax.Array) -> jax.Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _divisor(x: jax.Array) -> jax.Array:
    """Returns what to divide by, 1 for 0."""
    return jnp.where(x > 0, x, 1)


def _nothing(predict: Predict, modules: Collection[str]) -> dict[str, jax.Array]:
    """Returns what changes nothing if added to the maps of modules."""
    given: dict[str, list[jax.ShapeDtypeStruct]] = {}

    def note(name, out):
        shape = jax.ShapeDtypeStruct(out.shape, out.dtype)
        given.setdefault(name, []).append(shape)
        return out

    with _changing(note):
        # A function of its own: of one seen before, JAX would not call the modules.
        logits = jax.eval_shape(lambda: predict())
    maps = {name: own[0] for name, own in given.items() if _is_map(own, len(logits))}
    if strange := sorted(set(modules) - maps.keys()):
        raise ValueError(
            f"no modules {strange} that are called once and give a map [B, h, w, C], "
            "[B, F, h, w, C] or [B * F, h, w, C]. Those that do:\n  "
            + "\n  ".join(sorted(maps))
        )
    # -0, since 0 would make 0 of -0.
    return {n: jnp.full(maps[n].shape, -0.0, maps[n].dtype) for n in modules}


def _is_map(given: list[jax.ShapeDtypeStruct], clips: int) -> bool:
    first, *more = given
    floating = jnp.issubdtype(first.dtype, jnp.floating)
    shaped = first.ndim in (4, 5) and first.shape[0] % clips == 0
    return shaped and floating and not more


@contextlib.contextmanager
def _changing(change: Callable[[str, jax.Array], jax.Array]) -> Iterator[None]:
    """Lets `change(path, array)` say what linen modules give."""

    def intercept(call, args, kwargs, context):
        out = call(*args, **kwargs)
        if context.method_name != "__call__":
            return out
        module = "/".join(context.module.path)

        def one(field, leaf):
            if not isinstance(leaf, jax.Array):
                return leaf
            inside = jax.tree_util.keystr(field, simple=True, separator="/")
            return change("/".join(filter(None, (module, inside))), leaf)

        return jax.tree_util.tree_map_with_path(one, out)

    with nn.intercept_methods(intercept):
        yield
