"""From the settings that a manifest records back to the experiment.

The inverse of `experiment.settings`. Dataclasses are found by their name among those
handed in: nothing that a manifest says is imported or run.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import mer_jax
from mer_jax.data.corpora import Data
from mer_jax.data.pools import Pool
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.differences import Difference, differences
from mer_jax.ensemble.experiment import Experiment, settings
from mer_jax.errors import UserError

# What `settings` leaves out, and what is taken for it. Clips are checked by their
# content, so whether the published sample is whole was decided when they were recorded.
_LEFT_OUT: Mapping[type, Mapping[str, Any]] = {
    Experiment: {"seeds": (0,), "published": ()},
    Data: {"release": None, "landmarker": None},
    Pool: {},
    Protocol: {"partial": True},
}


class Rebuilt(NamedTuple):
    """An experiment made of recorded settings.

    Attributes:
      experiment: as recorded. A field that names a file has its digest instead, as
        nothing tells where it lies.
      defaults: paths of the fields that were not recorded and have their defaults, as
        the version that recorded them had no such fields.
    """

    experiment: Experiment
    defaults: tuple[str, ...]


def rebuild(
    told: Mapping[str, Any],
    *,
    seeds: Sequence[int],
    configs: Iterable[type],
    made_by: str,
) -> Rebuilt:
    """Returns the experiment of settings.

    Args:
      told: what `settings` returned, as JSON has it.
      seeds: of the experiment; settings do not tell them.
      configs: dataclasses of systems.
      made_by: version that recorded them, for messages.

    Raises:
      UserError: for a class or a field that is unknown here.
    """
    known = {kind.__qualname__: kind for kind in (*_LEFT_OUT, *configs)}
    here = f"mer_jax {mer_jax.__version__}"
    defaults: list[str] = []

    def value(of: Any, path: str) -> Any:
        if isinstance(of, list):
            return tuple(value(v, f"{path}.{i}") for i, v in enumerate(of))
        return config(of, path) if isinstance(of, dict) else of

    def config(of: Mapping[str, Any], path: str) -> Any:
        where = f"settings.{path}" if path else "settings"
        name = of.get("")
        if name not in known:
            raise UserError(
                f"{where}: class {name!r} is unknown to {here}, which knows "
                f"{', '.join(sorted(known))}. It was recorded by {made_by}: replay it "
                "with that. Systems of your own, outside mer_jax, cannot be replayed"
            )
        kind = known[name]
        fields = {field.name: field for field in dataclasses.fields(kind)}
        of_field = lambda field: f"{path}.{field}" if path else field
        given = {n: value(v, of_field(n)) for n, v in of.items() if n}
        if strange := sorted(given.keys() - fields.keys()):
            raise UserError(
                f"{where}: {name} has no field {', '.join(strange)} in {here}; it has "
                f"{', '.join(fields)}. It was recorded by {made_by}: replay it with "
                "that"
            )
        given = {**_LEFT_OUT.get(kind, {}), **given}
        for field in (f for n, f in fields.items() if n not in given):
            if dataclasses.MISSING is field.default is field.default_factory:
                raise UserError(
                    f"{where}: no value of {field.name} was recorded by {made_by}, and "
                    f"in {here} a {name} needs one. Replay it with that version"
                )
            defaults.append(of_field(field.name))
        return kind(**given)

    experiment = value(dict(told), "")
    if not isinstance(experiment, Experiment):
        raise UserError(f"settings: expected an Experiment, got {told.get('')!r}")
    experiment = dataclasses.replace(experiment, seeds=tuple(seeds))
    return Rebuilt(experiment, tuple(defaults))


def check_rebuilt(
    told: Mapping[str, Any], rebuilt: Rebuilt, experiment: Experiment
) -> list[Difference]:
    """Checks that an experiment is the recorded one.

    Args:
      told: the settings recorded.
      rebuilt: made of them.
      experiment: the same, with what settings do not tell: where files lie.

    Returns:
      The fields that were not recorded, with their values here.

    Raises:
      UserError: if a recorded field has another value, or a file is not named.
    """
    system: Any = experiment.system
    for field in dataclasses.fields(system):
        name, recorded = field.name, told["system"].get(field.name)
        unnamed = recorded is not None and getattr(system, name) == recorded
        if field.metadata.get("file") and unnamed:
            raise UserError(
                f"system.{name} was a file, known by its content as {recorded}. Tell "
                f"where it lies: --set system.{name}=FILE"
            )
    found = list(differences(dict(told), settings(experiment)))
    changed = [d for d in found if d.path not in rebuilt.defaults]
    if changed:
        raise UserError(
            f"{experiment.name}: a replay trains what was recorded, and these are "
            "other settings:\n"
            + "\n".join(f"  {difference}" for difference in changed)
            + "\n--set may tell where files lie, and nothing else; `mer run` trains "
            "something else"
        )
    return [d._replace(path=f"settings.{d.path}") for d in found]
