"""Systems and corpora made for tests: small, and odd where the published ones are not.

`Relay` hands nets from stage to stage; `Duel` sets two updates against each other;
`Reel` trains on all frames before it trains on clips. All learn something from the
clips of `corpus`, so a test can ask that they do.
"""

import dataclasses
from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from mer_jax.data.corpus import Corpus
from mer_jax.data.frames import Frames
from mer_jax.data.pools import Resident
from mer_jax.losses import classification
from mer_jax.train.stage import (
    Aux,
    Beside,
    Source,
    Stage,
    System,
    Transfer,
    Update,
    gradients_of,
)

UNIFORM = nn.initializers.uniform(0.6)  # compiles in no time

CLASSES = ("negative", "positive", "surprise")

SHOWS = ("glow", "colour")  # pictures of the relay; not in the order of their names

# Of several corpora, unsorted, and with names that only the corpus tells apart. The
# sizes are sixteenths of a batch: folds of 2 steps an epoch, and of 3.
SUBJECTS = {
    "smic/s06": 10,
    "casme2/sub06": 16,
    "samm/006": 12,
    "casme2/sub01": 6,
    "samm/s06": 4,
}
OTHERS = {"zoo/1": 14, "zoo/2": 24}  # none of them in the sample: of 3 steps an epoch


def corpus(
    features: Mapping[str, jax.ShapeDtypeStruct],
    *,
    frames: jax.ShapeDtypeStruct | None = None,
    batch: int = 8,
    subjects: Mapping[str, int] | None = None,
    seed: int = 0,
) -> Corpus:
    """Returns random clips in which the classes differ.

    Args:
      features: `System.features`.
      frames: `System.frames`; clips have one to three each.
      batch: of the system; clips per subject follow from it.
      subjects: "corpus/subject" -> sixteenths of a batch.
      seed: of the draw.
    """
    shares = SUBJECTS if subjects is None else subjects
    keys = sorted(
        f"{subject}/EP{i:02}"
        for subject, share in shares.items()
        for i in range(max(share * batch // 16, 1))
    )
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(len(keys)) % len(CLASSES))
    made = {name: _draw(spec, labels, generator) for name, spec in features.items()}
    film = None
    if frames is not None:
        owner = np.repeat(np.arange(len(keys)), 1 + np.arange(len(keys)) % 3)
        pixels = _draw(frames, labels[owner], generator)
        film = Frames(owner.astype(np.int32), (pixels,), f"toy {seed}")
    return Corpus(
        name="made",
        keys=tuple(keys),
        labels=labels.astype(np.int32),
        classes=CLASSES,
        features=made,
        synthetic=np.ones(len(keys), bool),
        frames=film,
    )


def _draw(spec, labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    pattern = generator.normal(size=(len(CLASSES), *spec.shape))
    noise = generator.normal(size=(len(labels), *spec.shape))
    values = pattern[labels] + 0.5 * noise
    if np.issubdtype(spec.dtype, np.integer):
        values = (128 + 40 * values).clip(0, 255)
    return values.astype(spec.dtype)


def garbage(corpus: Corpus | Resident, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the features with NaN, or the greatest integer, in some clips."""
    features = {}
    for name, array in corpus.features.items():
        floating = np.issubdtype(array.dtype, np.floating)
        features[name] = array.copy()
        features[name][rows] = np.nan if floating else np.iinfo(array.dtype).max
    return features


def soiled(corpus: Corpus | Resident, rows: np.ndarray) -> Frames | None:
    """Returns the frames, those of some clips white."""
    if corpus.frames is None:
        return None
    pixels = np.concatenate(corpus.frames.parts)
    pixels[corpus.frames.of(rows)] = 255
    return dataclasses.replace(corpus.frames, parts=(pixels,))


class Encoder(nn.Module):
    """[B, H, W, C] pixels to [B, D] with a convolution and a masked batch norm."""

    width: int

    @nn.compact
    def __call__(self, images, mask, *, train: bool):
        conv = nn.Conv(
            self.width, (3, 3), use_bias=False, kernel_init=UNIFORM, name="conv"
        )
        x = conv(images)
        norm = nn.BatchNorm(use_running_average=not train, momentum=0.9, name="norm")
        x = norm(x, mask=mask[:, None, None, None])
        return nn.relu(x).mean((1, 2))


class Head(nn.Module):
    """[B, D] to [B, K] logits, after dropout."""

    num_classes: int
    dropout: float

    @nn.compact
    def __call__(self, x, *, train: bool):
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.num_classes, kernel_init=UNIFORM, name="dense")(x)


def _images(batch, like):
    return batch["frames"].astype(like.dtype) / 64 - 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Relay:
    """Three stages: a decoder trains the encoder, a head is trained on it, then all.

    The encoder arrives in the last stage under another name, the head with a bias
    of its own. In the middle stage the encoder is frozen and its features are
    taken once per step, of clips randomly flipped and shifted. The first and the last
    show a map and an image.
    """

    size: int = 6
    width: int = 4
    batch: int = 8
    epochs: int = 2
    dropout: float = 0.25
    learning_rate: float = 0.02

    def tiny(self) -> "Relay":
        return self

    def build(self, num_classes: int, num_subjects: int) -> System:
        encoder = Encoder(self.width)
        decoder = nn.Dense(2, kernel_init=UNIFORM)
        head = Head(num_classes, self.dropout)
        adam = optax.adam(self.learning_rate)

        def encode(params, model_state, name, batch, train):
            kernel = params[name]["conv"]["kernel"]
            variables = {"params": params[name], "batch_stats": model_state[name]}
            images = batch.get("augmented", _images(batch, kernel))
            if not train:
                return encoder.apply(variables, images, batch["mask"], train=False), {}
            code, new = encoder.apply(
                variables, images, batch["mask"], train=True, mutable=["batch_stats"]
            )
            return code, {name: new["batch_stats"]}

        def classify(params, code, batch, key):
            logits = head.apply(
                {"params": params["head"]}, code, train=True, rngs={"dropout": key}
            )
            labels, mask = batch["label"], batch["mask"]
            hits = classification.accuracy(logits, labels, where=mask)
            loss = classification.cross_entropy(logits, labels, where=mask)
            return loss, {"accuracy": hits}

        def reconstruct(params, model_state, batch, key):
            code, new = encode(params, model_state, "encoder", batch, True)
            colour = _images(batch, code).mean((1, 2))
            error = jnp.square(
                decoder.apply({"params": params["decoder"]}, code) - colour
            )
            loss = classification.masked_mean(error.mean(-1), batch["mask"])
            return loss, Aux({}, {**model_state, **new})

        def probe(params, model_state, batch, key):
            loss, metrics = classify(params, batch["code"], batch, key)
            return loss, Aux(metrics, model_state)

        def tune(params, model_state, batch, key):
            code, new = encode(params, model_state, "motion", batch, True)
            loss, metrics = classify(params, code, batch, key)
            return loss, Aux(metrics, {**model_state, **new})

        def augment(params, model_state, batch, key):
            images = _images(batch, params["encoder"]["conv"]["kernel"])
            shape = (2, len(images), 1, 1, 1)
            flip, shift = jax.random.uniform(key, shape, images.dtype)
            images = jnp.where(flip < 0.5, images[:, :, ::-1], images)
            batch = {**batch, "augmented": images + 0.1 * shift}
            code, _ = encode(params, model_state, "encoder", batch, False)
            return {**batch, "code": code}

        def look(net):
            def inspect(params, model_state, batch):
                code, _ = encode(params, model_state, net, batch, False)
                image = batch["frames"].astype(code.dtype) / 255
                code = nn.sigmoid(code[:, None, None])
                code = jnp.broadcast_to(code, (*image.shape[:3], self.width))
                glow = 2 * image.mean(-1) * code.mean(-1)  # above 1 here and there
                return {"code": code, "glow": glow, "colour": code[..., :3]}

            return {"inspect": inspect, "shows": SHOWS}

        def init_encoder(name):
            def init(key, batch):
                images = batch["frames"].astype(jnp.float32)
                variables = encoder.init(key, images, batch["mask"], train=False)
                code = jnp.zeros((len(images), self.width))
                rest = (
                    {"decoder": decoder.init(key, code)["params"]}
                    if name == "pretrain"
                    else {"head": head.init(key, code, train=False)["params"]}
                )
                net = "motion" if name == "tune" else "encoder"
                return (
                    {net: variables["params"], **rest},
                    {net: variables["batch_stats"]},
                )

            return init

        def stage(name, loss, order, **more):
            update = Update(
                name=name,
                gradients=gradients_of(loss),
                tx=adam,
                trains="head/.*" if name == "probe" else ".*",
            )
            source = Source(batch=self.batch, order=order)
            return Stage(
                name=name,
                source=source,
                num_epochs=self.epochs,
                init=init_encoder(name),
                updates=(update,),
                **more,
            )

        def predict(params, model_state, batch):
            code, _ = encode(params, model_state, "motion", batch, False)
            return head.apply({"params": params["head"]}, code, train=False)

        started = Transfer(stage="pretrain", nets={"encoder": "encoder"})
        resumed = (
            Transfer(stage="pretrain", nets={"motion": "encoder"}),
            Transfer(stage="probe", nets={"head": "head"}, keep_init=".*/bias"),
        )
        return System(
            name="relay",
            features={
                "frames": jax.ShapeDtypeStruct((self.size, self.size, 2), np.uint8)
            },
            stages=(
                stage("pretrain", reconstruct, "subject", **look("encoder")),
                stage(
                    "probe", probe, "shuffled", prepare=augment, init_from=(started,)
                ),
                stage("tune", tune, "label", init_from=resumed, **look("motion")),
            ),
            predict=predict,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Duel:
    """A critic that steps twice and an encoder that steps once, each on its leaves.

    The critic tells apex from onset codes, of other people, too, against a running
    average of its output in the model state; the encoder classifies and, more and
    more, fools the critic.
    """

    width: int = 5
    batch: int = 8
    epochs: int = 2
    repeat: int = 2
    learning_rate: float = 0.02
    others: int = 5  # clips of the pool "others" that come beside a batch

    def tiny(self) -> "Duel":
        return self

    def build(self, num_classes: int, num_subjects: int) -> System:
        dense, critic, head = (
            nn.Dense(width, kernel_init=UNIFORM)
            for width in (self.width, 1, num_classes)
        )

        def codes(params, batch):
            code = lambda x: nn.relu(dense.apply({"params": params["encoder"]}, x))
            return code(batch["onset"]), code(batch["apex"])

        def judge(params, model_state, batch):
            """Returns how well the critic tells the two apart, and its mean output."""
            onset, apex = (
                critic.apply({"params": params["critic"]}, c)[:, 0]
                for c in codes(params, batch)
            )
            centre = jax.lax.stop_gradient(model_state["critic"]["average"])
            gap = jnp.square(apex - centre - 1) + jnp.square(onset - centre + 1)
            mean = classification.masked_mean((onset + apex) / 2, batch["mask"])
            return classification.masked_mean(gap, batch["mask"]), mean

        def brightness(params, model_state, batch):
            """What no step changes, and a run may look at once."""
            apex = batch["apex"]
            return {"light": jnp.square(apex).reshape(len(apex), -1).mean(1)}

        def accuse(params, model_state, batch, key):
            loss, mean = judge(params, model_state, batch)
            others = batch["others"]
            known = others.get("remembered") or brightness(params, model_state, others)
            light = classification.masked_mean(known["light"], others["mask"])
            loss = loss + 0.1 * light * judge(params, model_state, others)[0]
            average = model_state["critic"]["average"]
            new = {"average": 0.9 * average + 0.1 * jax.lax.stop_gradient(mean)}
            return loss, Aux({"mean": mean}, {**model_state, "critic": new})

        def classify(params, model_state, batch, key):
            onset, apex = codes(params, batch)
            # Dropout by hand: the key of the update, used without a module.
            keep = jax.random.bernoulli(key, 0.8, apex.shape)
            moved = jnp.where(keep, apex - onset, 0)
            logits = head.apply({"params": params["head"]}, moved)
            labels, mask = batch["label"], batch["mask"]
            fooled, _ = judge(params, model_state, batch)
            cross = classification.cross_entropy(logits, labels, where=mask)
            strength = 0.1 * batch["progress"].astype(cross.dtype)
            return cross - strength * fooled, Aux({"cross": cross}, model_state)

        def init(key, batch):
            code = jnp.zeros((len(batch["apex"]), self.width))
            params = {
                "encoder": dense.init(key, batch["apex"].astype(jnp.float32))["params"],
                "critic": critic.init(key, code)["params"],
                "head": head.init(key, code)["params"],
            }
            return params, {"critic": {"average": jnp.zeros(())}}

        def predict(params, model_state, batch):
            onset, apex = codes(params, batch)
            return head.apply({"params": params["head"]}, apex - onset)

        stage = Stage(
            name="duel",
            source=Source(batch=self.batch),
            num_epochs=self.epochs,
            beside={"others": Beside(batch=self.others, pool="others")},
            remember={"others": brightness},
            init=init,
            updates=(
                Update(
                    name="critic",
                    gradients=gradients_of(accuse),
                    tx=optax.sgd(self.learning_rate, momentum=0.9),
                    trains="critic/.*",
                    repeat=self.repeat,
                ),
                Update(
                    name="encoder",
                    gradients=gradients_of(classify),
                    tx=optax.adamw(self.learning_rate),
                    trains="(encoder|head)/.*",
                ),
            ),
        )
        clip = jax.ShapeDtypeStruct((12,), np.float32)
        return System(
            name="duel",
            features={"onset": clip, "apex": clip},
            stages=(stage,),
            predict=predict,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reel:
    """A code of frames that two nets learn to undo, then a head on that of the apex.

    Both weigh what is rare by the classes of the run.
    """

    size: int = 4
    width: int = 6
    batch: int = 8
    frames: int = 24  # of a batch of frames: 2 steps an epoch in all folds
    epochs: int = 2
    learning_rate: float = 0.02

    def tiny(self) -> "Reel":
        return self

    def build(self, num_classes: int, num_subjects: int) -> System:
        frame = jax.ShapeDtypeStruct((self.size, self.size, 3), np.uint8)
        encoder, decoder, head = (
            nn.Dense(width, kernel_init=UNIFORM)
            for width in (self.width, frame.size, num_classes)
        )
        adam = optax.adam(self.learning_rate)

        def flat(images, like):
            return images.reshape(len(images), -1).astype(like) / 64 - 2

        def encode(params, images):
            images = flat(images, params["encoder"]["kernel"].dtype)
            return nn.tanh(encoder.apply({"params": params["encoder"]}, images))

        def mean(values, batch):
            weights = 1 / (1 + batch["class_counts"].astype(values.dtype))
            return classification.masked_mean(
                values * weights[batch["label"]], batch["mask"]
            )

        def undo(params, model_state, batch, key):
            code = encode(params, batch["frame"])
            code = code + 0.1 * jax.random.normal(key, code.shape, code.dtype)
            found = decoder.apply({"params": params["decoder"]}, code)
            error = jnp.square(found - flat(batch["frame"], code.dtype)).mean(-1)
            people = jnp.where(batch["mask"], batch["subject"], 0).max()
            return mean(error, batch), Aux({"people": people}, model_state)

        def scores(params, model_state, batch):
            return head.apply({"params": params["head"]}, encode(params, batch["apex"]))

        def classify(params, model_state, batch, key):
            logits = jax.nn.log_softmax(scores(params, model_state, batch))
            label = batch["label"][:, None]
            own = jnp.take_along_axis(logits, label, axis=1)[:, 0]
            return mean(-own, batch), Aux({}, model_state)

        def init(other, name, images):
            def init(key, batch):
                pixels = flat(batch[images], jnp.float32)
                code = jnp.zeros((len(pixels), self.width))
                return {
                    "encoder": encoder.init(key, pixels)["params"],
                    name: other.init(key, code)["params"],
                }, {}

            return init

        def stage(name, loss, begin, source, **more):
            update = Update(name=name, gradients=gradients_of(loss), tx=adam)
            return Stage(
                name=name,
                source=source,
                num_epochs=self.epochs,
                init=begin,
                updates=(update,),
                **more,
            )

        learnt = Transfer(stage="film", nets={"encoder": "encoder"})
        frames = Source(batch=self.frames, of="frames")
        return System(
            name="reel",
            features={"apex": frame},
            stages=(
                stage("film", undo, init(decoder, "decoder", "frame"), frames),
                stage(
                    "clips",
                    classify,
                    init(head, "head", "apex"),
                    Source(batch=self.batch),
                    init_from=(learnt,),
                ),
            ),
            predict=scores,
            frames=frame,
        )
