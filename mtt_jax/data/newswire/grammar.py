"""The grammar: seeded generation of sentences with a topic and entities, from patterns and names.

A sentence has one clause or two. If there are two, the topic is that of the main clause: the one
that does not follow "after", "while" or a similar word. So the words alone do not give the topic
away; their order does.
"""

import re
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from mtt_jax.data.newswire import names
from mtt_jax.data.newswire.patterns import FILLERS, MAIN_FIRST, MAIN_LAST, OPENINGS, TOPICS

_SLOT = re.compile(r"\{([a-z]+?)2?\}")
_LABELS = {kind: label for label, kinds in names.KINDS.items() for kind in kinds} | {"per": "PER"}

# How often a sentence has a second clause, how often that clause has another topic, and how often a
# single clause gets an opening.
_TWO_CLAUSES, _OTHER_TOPIC, _OPENING = 0.55, 0.9, 0.3
# How often a name is one that has several roles, and, outside train, one that is held out.
_AMBIGUOUS, _HELD_OUT = 0.2, 0.8


class Entity(NamedTuple):
    """A name in a sentence, with its character offsets."""

    start: int
    end: int
    label: str


class Sentence(NamedTuple):
    """A generated sentence with both labels."""

    text: str
    topic: str
    entities: tuple[Entity, ...]


def generate(
    split: str, count: int, seed: int = 0, taken: frozenset[str] = frozenset()
) -> Iterator[Sentence]:
    """Yields sentences; the same arguments give the same ones on every machine.

    Args:
      split: "train" uses only the train pool of names; other splits mostly the held-out pool.
      count: number of sentences.
      seed: root of the randomness.
      taken: texts that are already in another split.
    """
    random = Random(f"newswire {split} {seed}")  # strings are hashed with SHA-512 on every platform
    topics = list(TOPICS)
    seen = set(taken)
    while len(seen) < count + len(taken):
        topic = random.choice(topics)
        sentence = _write(_plan(topic, random), topic, split != "train", random)
        if sentence.text not in seen:
            seen.add(sentence.text)
            yield sentence


def _plan(topic: str, random: Random) -> str:
    """A pattern for the whole sentence: one clause, or two that are joined."""
    plan = random.choice(TOPICS[topic])
    if random.random() < _TWO_CLAUSES:
        others = [name for name in TOPICS if name != topic]
        side_topic = random.choice(others) if random.random() < _OTHER_TOPIC else topic
        frame = random.choice(random.choice((MAIN_FIRST, MAIN_LAST)))
        return frame.format(main=plan, side=random.choice(TOPICS[side_topic]))
    if random.random() < _OPENING:
        return random.choice(OPENINGS).replace("{main}", plan)
    return plan


def _write(plan: str, topic: str, mostly_held_out: bool, random: Random) -> Sentence:
    """Fills the slots of a plan, capitalizes the first letter and adds a full stop."""
    text, entities, used = "", [], set()
    done = 0
    for slot in _SLOT.finditer(plan):
        text += plan[done : slot.start()]
        done = slot.end()
        kind = slot[1]
        if kind in FILLERS:
            text += random.choice(FILLERS[kind])
            continue
        name = _name(kind, mostly_held_out, random)
        while name in used:
            name = _name(kind, mostly_held_out, random)
        used.add(name)
        entities.append(Entity(len(text), len(text) + len(name), _LABELS[kind]))
        text += name
    text += plan[done:] + "."
    return Sentence(text[0].upper() + text[1:], topic, tuple(entities))


def _name(kind: str, mostly_held_out: bool, random: Random) -> str:
    """A name of a kind."""
    held = mostly_held_out and random.random() < _HELD_OUT
    role = "PER" if kind == "per" else kind
    if random.random() < _AMBIGUOUS and names.ambiguous(role):
        name = random.choice(names.ambiguous(role))
        # Half of the people go by the ambiguous family name alone: only the context tells.
        alone = kind != "per" or random.random() < 0.5
        return name if alone else f"{random.choice(names.given(held))} {name}"
    if kind != "per":
        return random.choice(names.names(kind, held))
    family = random.choice(names.family(held))
    if random.random() < 0.3:
        return family
    return f"{random.choice(names.given(held))} {family}"
