"""The sentences of HomeCommands: short orders to a house, and longer dictated sentences.

Both grammars are templates with slots. The words come in families that are easy to confuse (thirteen and
thirty, on and off, pat and bat), so that fine detail in time and spectrum pays. Dictation adds what only a
long view resolves: verbs and pronouns that agree with a distant noun, and words that sound alike (sail and
sale) whose spelling hangs on a later word.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

Slots = dict[str, list[str]]

COMMAND_SLOTS: Slots = {name: words.split("|") for name, words in {
    "teen": "thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|"
            "thirty|forty|fifty|sixty|seventy|eighty|ninety",
    "small": "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve",
    "room": "kitchen|bedroom|bathroom|hall|garage|garden|office|attic",
    "device": "lamp|light|fan|heater|radio|oven|camera|alarm|light|lamp|lights|lamps",
    "door": "door|doors|gate|window|windows|blinds|drawer|floor",
    "colour": "red|green|blue|white|pink|grey|black",
    "switch": "on|off",
    "move": "open|close|lock|unlock|block|clean",
    "dim": "dim|raise|lower|heat|cool",
    "person": "pat|matt|ben|ken|dan|jen|tim|jim|kate|jake|sam|pam|bill|phil",
    "contact": "call|text|ring|thank|wake",
    "thing": "bat|hat|cat|mat|map|cap|cab|bag|back|pack|coat|goat|pin|bin|pen|pan|keys|cheese",
    "food": "bread|milk|tea|peas|beans|pears|rice|ice|cream|corn|coke|pork|fork",
    "unit": "seconds|minutes|hours|days",
    "day": "today|tonight|tomorrow|monday|sunday|friday",
    "music": "jazz|rock|pop|folk|news",
    "find": "find|bring|hide|pick|lift|lend",
    "polite": "please|now",
}.items()}

COMMANDS: list[tuple[int, str]] = [  # (weight, template)
    (6, "turn {switch} the {room} {device}"),
    (4, "turn the {room} {device} {switch}"),
    (6, "set the {device} to {teen}"),
    (3, "set {room} {device} to {teen}"),
    (4, "{move} the {room} {door}"),
    (2, "{dim} the {room} {device} {polite}"),
    (3, "{dim} it by {teen} {polite}"),
    (4, "set a timer for {teen} {unit}"),
    (3, "set a timer for {small} {unit}"),
    (4, "{contact} {person} at {small} {teen}"),
    (3, "{contact} {person} and {person} {day}"),
    (4, "{find} the {colour} {thing}"),
    (3, "{find} my {thing} and my {thing}"),
    (4, "buy {small} {food} {day}"),
    (3, "add {food} and {food} {polite}"),
    (3, "play {music} in the {room}"),
    (2, "play {music} for {teen} {unit}"),
    (3, "make the {room} {device} {colour}"),
]

DICTATION_SLOTS: Slots = {name: words.split("|") for name, words in {
    "one": "lamp|boy|girl|doctor|picture|teacher|letter|table|driver|bottle|window|neighbour|visitor|writer|"
           "cup|chair",
    "many": "lamps|boys|girls|doctors|pictures|teachers|letters|tables|drivers|bottles|windows|neighbours|"
            "visitors|writers|cups|chairs",
    "near": "near|behind|beside|under|above|across from",
    "saw": "bought|found|moved|liked|watched|painted|remembered|followed|wanted|carried",
    "state": "old|cold|bold|clean|green|broken|expensive|missing|late|light|right|ready|heavy|useful",
    "time": "this morning|last night|after lunch|before dinner|on thursday|on tuesday|in the spring|"
            "in the autumn|at thirteen minutes past nine|"
            "at thirty minutes past five|for fourteen days|for forty days",
    "place": "in the kitchen|in the library|at the station|by the river|on the road|in the village|"
             "at the market",
    "said": "said|thought|believed|heard|hoped|knew",
    "join": "and|but|because|although|while|so",
    "pair": "the pat|the bat|the cap|the cab|the pin|the bin|the coat|the goat|the ship|the sheep|the bill|"
            "the pill|the fan|the van|the pear tree|the beer|the path|the bath|the rope|the robe",
    "adverb": "quickly|quietly|slowly|often|never|always|again",
}.items()}

# Words that sound alike: the word itself, and ends of its sentence that tell which one is meant.
ALIKE: list[tuple[str, list[str]]] = [
    ("sail", ["torn by the wind", "too small for the boat"]),
    ("sale", ["full of cheap clothes", "good for the shop"]),
    ("flower", ["yellow and sweet", "open to the sun"]),
    ("flour", ["white and fine", "enough for the bread"]),
    ("mail", ["full of letters", "late by a week"]),
    ("male", ["stronger than the female", "a fine young lion"]),
    ("plane", ["high above the clouds", "ready to land"]),
    ("plain", ["flat and dry", "wide and full of grass"]),
    ("tale", ["long and hard to believe", "about a king and a dragon"]),
    ("tail", ["short and covered with fur", "longer than the dog itself"]),
    ("hair", ["long and brown", "cut by a barber"]),
    ("hare", ["faster than the fox", "asleep in the field"]),
]

_PRONOUN = {"boy": "his", "girl": "her"}


def _pick(rng: random.Random, options: list[str]) -> str:
    return options[rng.randrange(len(options))]


def _fill(template: str, slots: Slots, rng: random.Random) -> str:
    """Put a drawn word into every `{slot}`; a slot used twice gets two different words."""
    used: set[str] = set()

    def word(match: re.Match[str]) -> str:
        chosen = _pick(rng, [w for w in slots[match[1]] if w not in used])
        used.add(chosen)
        return chosen

    return re.sub(r"{(\w+)}", word, template)


def command(rng: random.Random) -> str:
    """One order of three to six words, such as `turn off the kitchen lamp`."""
    template = rng.choices([t for _, t in COMMANDS], [w for w, _ in COMMANDS])[0]
    return _fill(template, COMMAND_SLOTS, rng)


def _agreement(rng: random.Random) -> str:
    """`the lamps that the boy near the doors bought were old`: the verb agrees with the first noun."""
    plural = rng.random() < 0.5
    other = "many" if rng.random() < 0.5 else "one"
    verb = _pick(rng, ["were", "are", "have been"] if plural else ["was", "is", "has been"])
    head = "{many}" if plural else "{one}"
    who = _pick(rng, ["{one}", "{many}"])
    return f"the {head} that the {who} {{near}} the {{{other}}} {{saw}} {verb} {{state}}"


def _pronoun(rng: random.Random) -> str:
    """`the girl near the doctors said that the cap and her letter were old`: so does the pronoun."""
    who = _pick(rng, sorted(_PRONOUN))
    hers = _PRONOUN[who]
    return f"the {who} {{near}} the {{many}} {{said}} that {{pair}} and {hers} {{one}} were {{state}}"


def _alike(rng: random.Random) -> str:
    """`the sail that the boy near the lamps painted was torn by the wind`: the end tells sail from sale."""
    word, ends = ALIKE[rng.randrange(len(ALIKE))]
    return f"the {word} that the {{one}} {{near}} the {{many}} {{saw}} was {_pick(rng, ends)}"


def _plain(rng: random.Random) -> str:
    return _pick(rng, ["the {one} {adverb} {saw} {pair} and {pair} {place} {time}",
                       "{time} the {many} {place} {saw} {pair} {near} {pair}",
                       "we {said} that {pair} was {near} the {state} {one}"])


_CLAUSES: list[Callable[[random.Random], str]] = [_agreement, _agreement, _pronoun, _alike, _plain, _plain]


def dictation(rng: random.Random) -> str:
    """One sentence of 15 to 34 words: a long clause and when it was, or two clauses joined."""
    while True:
        sentence = _CLAUSES[rng.randrange(len(_CLAUSES))](rng)
        if rng.random() < 0.5:
            sentence += " {join} " + _plain(rng)
        elif "{time}" not in sentence:
            sentence += " {time}"
        text = _fill(sentence, DICTATION_SLOTS, rng)
        if 15 <= len(text.split()) <= 34:
            return text


REGISTERS: dict[str, Callable[[random.Random], str]] = {"commands": command, "dictation": dictation}
