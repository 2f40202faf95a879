"""A second verifier, as plain as it gets: who holds what is counted anew, from the JSON, before every single move."""

from __future__ import annotations

from collections import Counter
from typing import Any

Place = tuple[int, Any]  # node; NUMA node or cards
Found = Counter[tuple[str, int | None, int | None]]


class Naive:
    """An instance and a plan, both as JSON has them."""

    def __init__(self, instance: dict[str, Any], plan: dict[str, Any], limits: dict[str, int]) -> None:
        self.vms = "pms" in instance
        self.nodes = instance["pms" if self.vms else "nodes"]
        self.units = instance["vms" if self.vms else "pods"]
        self.groups = instance.get("anti_affinity", [])
        self.moves, self.waves, self.limits = plan["moves"], plan["waves"], limits
        self.found: Found = Counter()

    def run(self) -> Found:
        self.start()
        places = self.places()
        self.check_rest()
        made = self.known_moves()
        for k, unit, place in made:
            if places[unit][0] == place[0]:
                self.say("same-node", k)
                continue
            self.arrive(places, [], (k, unit, place), None)
            places[unit] = place
        self.check_wave_places()
        places, steps = self.places(), {k: (k, unit, place) for k, unit, place in made}
        for w, wave in enumerate(self.waves):
            self.check_wave(places, w, [steps[k] for k in wave if k in steps])
            if len(wave) > self.limits["parallel"]:
                self.say("parallel", wave=w)
        return self.found

    def known_moves(self) -> list[tuple[int, int, Place]]:
        made: list[tuple[int, int, Place]] = []
        seen = set()
        for k, move in enumerate(self.moves):
            if move["unit"] not in self.units["id"] or move["to"] not in self.nodes["id"]:
                self.say("unknown-node" if move["unit"] in self.units["id"] else "unknown-unit", k)
                continue
            unit, node = self.units["id"].index(move["unit"]), self.nodes["id"].index(move["to"])
            if not self.units["movable"][unit]:
                self.say("pinned", k)
            if unit in seen:
                self.say("moved-twice", k)
            seen.add(unit)
            wrong = self.wrong_seat(unit, node, move)
            if wrong:
                self.say(wrong, k)
            else:
                made.append((k, unit, (node, move["numa_node"] if self.vms else tuple(move["cards"]))))
        return made

    def say(self, kind: str, move: int | None = None, wave: int | None = None) -> None:
        self.found[kind, move, wave] += 1

    def places(self) -> list[Place]:
        if self.vms:
            return list(zip(self.units["pm"], self.units["node"], strict=True))
        return [(node, tuple(cards)) for node, cards in zip(self.units["node"], self.units["cards"], strict=True)]

    def check_rest(self) -> None:
        for k, move in enumerate(self.moves):
            if move["unit"] in self.units["id"]:
                unit = self.units["id"].index(move["unit"])
                ago = self.units["moved_seconds_ago"][unit]
                if self.units["age_seconds"][unit] < self.limits["minimum_age"]:
                    self.say("rest", k)
                if ago is not None and ago < self.limits["cool_down"]:
                    self.say("rest", k)

    def wrong_seat(self, unit: int, node: int, move: dict[str, Any]) -> str:
        if self.vms:
            return "" if move["numa_node"] in ([-1] if self.units["double"][unit] else [0, 1]) else "seat"
        cards, there = move["cards"], self.nodes["gpu"][node]
        if len(cards) != self.units["num_gpu"][unit] or sorted(set(cards)) != sorted(cards):
            return "seat"
        if any(card not in range(there) for card in cards):
            return "seat"
        spec = self.units["spec"][unit]
        return "" if not spec or self.nodes["model"][node] in spec.split("|") else "gpu-model"

    def asks(self, unit: int, place: Place) -> dict[str, int]:
        """What a unit holds of a node's resources."""
        column, seat = self.units, place[1]
        if not self.vms:
            cards = {f"card{card}": column["gpu_milli"][unit] for card in seat}
            return {"cpu": column["cpu"][unit], "mem": column["mem"][unit], **cards}
        held = {}
        for what in ("cpu", "mem"):
            for numa in (0, 1) if seat == -1 else (seat,):
                held[f"{what}{numa}"] = column[what][unit] // (2 if seat == -1 else 1)
        return held

    def has(self, node: int) -> dict[str, int]:
        if self.vms:
            return {f"{what}{numa}": self.nodes[what][node][numa] for what in ("cpu", "mem") for numa in (0, 1)}
        cards = {f"card{card}": 1000 for card in range(self.nodes["gpu"][node])}
        return {"cpu": self.nodes["cpu"][node], "mem": self.nodes["mem"][node], **cards}

    def used(self, node: int, held: list[tuple[int, Place]], what: str) -> int:
        return sum(self.asks(unit, place).get(what, 0) for unit, place in held if place[0] == node)

    def start(self) -> None:
        places = self.places()
        for node in range(len(self.nodes["id"])):
            for what, there in self.has(node).items():
                if self.used(node, list(enumerate(places)), what) > there:
                    self.say("start")
        for group in self.groups:
            for count in Counter(places[unit][0] for unit in group).values():
                if count > 1:
                    self.say("start")

    def arrive(
        self, places: list[Place], coming: list[tuple[int, Place]], step: tuple[int, int, Place], wave: int | None
    ) -> None:
        """A unit arrives while everybody is still where they were, and others are coming."""
        k, unit, place = step
        held = [*enumerate(places), *coming, (unit, place)]
        there = self.has(place[0])
        asked = self.asks(unit, place)
        if any(asked[what] and self.used(place[0], held, what) > there[what] for what in asked):
            self.say("no-room", k, wave)
        others = {other for other, at in held[:-1] if at[0] == place[0]}
        if any(unit in group and others & set(group) for group in self.groups):
            self.say("anti-affinity", k, wave)

    def check_wave_places(self) -> None:
        count = Counter(k for wave in self.waves for k in wave)
        for k in set(count) | set(range(len(self.moves))):
            if k not in range(len(self.moves)):
                self.say("waves")
            elif count[k] != 1:
                self.say("waves", k)

    def check_wave(self, places: list[Place], w: int, steps: list[tuple[int, int, Place]]) -> None:
        ready: list[tuple[int, int, Place]] = []
        for k, unit, place in steps:
            if places[unit][0] != place[0] and unit not in [other for _, other, _ in ready]:
                ready.append((k, unit, place))
        into = Counter(place[0] for _, _, place in ready)
        out = Counter(places[unit][0] for _, unit, _ in ready)
        for _ in [node for node in into if into[node] > self.limits["max_in"]]:
            self.say("max-in", wave=w)
        for _ in [node for node in out if out[node] > self.limits["max_out"]]:
            self.say("max-out", wave=w)
        for before, step in enumerate(ready):
            self.arrive(places, [(unit, at) for _, unit, at in ready[:before]], step, w)
        for _, unit, at in ready:
            places[unit] = at
