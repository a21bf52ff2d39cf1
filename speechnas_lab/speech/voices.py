"""Who speaks in HomeCommands: 83 speakers, each a voice variant of eSpeak NG with an accent and pitch.

Left out: whispering, croaking and robot variants, the Klatt synthesiser's, `Demonic` and `Tweaky`. Variants
whose names differ only by a number sound alike, so they stay in one split.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

ACCENTS = (
    "en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-us-nyc", "en-gb-x-gbclan", "en-029",
    "en-gb-x-gbcwmd",
)
_LANGUAGE = {"en-gb": "en"}  # the engine's own name for an accent where it differs
_NAMES = (  # families by |, their members by +
    "Alex|Alicia|Andrea|Andy|Annie|AnxiousAndy|Denis|Diogo|Gene+Gene2|Henrique|Hugo|Jacky|"
    "Lee|Marco|Mario|Michael|Mike+mike2|Mr serious|Nguyen|Reed|"
    "RicishayMax+RicishayMax2+RicishayMax3|Storm|adam|anika|announcer|antonio|aunty|belinda|"
    "benjamin|boris|caleb|david|ed|edward+edward2|f1|f2|f3|f4|f5|fast|grandma|grandpa|"
    "gustave|ian|iven+iven2+iven3+iven4|john|kaukovalta|linda|m1|m2|m3|m4|m5|m6|m7|m8|"
    "marcelo|max|michel|miguel|norbert|pablo|paul|pedro|quincy|rob|robert|sandro|shelby|"
    "steph+steph2+steph3|travis|victor|zac"
)
FAMILIES = tuple(tuple(family.split("+")) for family in _NAMES.split("|"))
COUNTS = {"test": 20, "valid": 10, "valid_weights": 8, "train": 45}


@dataclass(frozen=True)
class Speaker:
    """The engine's voice; the words per minute and the pitch (0 to 100) around which its utterances vary."""

    name: str
    voice: str
    rate: int
    pitch: int
    split: str


def speakers() -> list[Speaker]:
    """The same 83 speakers in the same splits every time, whatever the corpus' seed."""
    rng = random.Random(83)
    families = rng.sample(FAMILIES, len(FAMILIES))
    people: list[Speaker] = []
    for split, count in COUNTS.items():
        members: list[str] = []
        while len(members) < count:  # the next family that fits
            family = next(f for f in families if len(f) <= count - len(members))
            families.remove(family)
            members += family
        for number, variant in enumerate(members):
            accent = ACCENTS[number % len(ACCENTS)]
            name = f"{variant.replace(' ', '-')}.{accent}"
            voice = f"{_LANGUAGE.get(accent, accent)}+{variant}"
            people.append(Speaker(name, voice, rng.randrange(135, 171), rng.randrange(38, 63), split))
    return people
