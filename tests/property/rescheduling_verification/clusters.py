"""Small clusters and plans for them, right and wrong ones."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st


def some(draw: st.DrawFn, count: int, least: int, most: int) -> list[int]:
    return draw(st.lists(st.integers(least, most), min_size=count, max_size=count))


@st.composite
def vm_clusters(draw: st.DrawFn) -> dict[str, Any]:
    machines, vms = draw(st.integers(1, 4)), draw(st.integers(0, 8))
    double = some(draw, vms, 0, 1)
    halves, memory = some(draw, vms, 1, 3), some(draw, vms, 0, 3)
    group = draw(st.lists(st.lists(st.integers(0, max(vms - 1, 0)), unique=True, max_size=3), max_size=2))
    return {
        "fragment": {"cpu": 4, "mem": 4},
        "pms": {
            "id": [f"m{place}" for place in range(machines)],
            "cpu": [some(draw, 2, 4, 12) for _ in range(machines)],
            "mem": [some(draw, 2, 4, 12) for _ in range(machines)],
        },
        "vms": {
            "id": [f"v{place}" for place in range(vms)],
            "cpu": [2 * half for half in halves],
            "mem": [2 * half for half in memory],
            "double": double,
            "pm": some(draw, vms, 0, machines - 1),
            "node": [-1 if both else node for both, node in zip(double, some(draw, vms, 0, 1), strict=True)],
            "movable": [int(seen > 0) for seen in some(draw, vms, 0, 5)],
            "age_seconds": some(draw, vms, 0, 9),
            "moved_seconds_ago": [seconds or None for seconds in some(draw, vms, 0, 9)],
        },
        "anti_affinity": group if vms else [],
    }


@st.composite
def pod_clusters(draw: st.DrawFn) -> dict[str, Any]:
    nodes, pods = draw(st.integers(2, 3)), draw(st.integers(1, 8))
    gpus = [draw(st.sampled_from((0, 2, 4, 8))) for _ in range(nodes)]
    home = some(draw, pods, 0, nodes - 1)
    count = [min(draw(st.sampled_from((0, 1, 1, 2, 4))), gpus[node]) for node in home]
    cards = [draw(st.permutations(range(gpus[node])))[:asked] for node, asked in zip(home, count, strict=True)]
    milli = [0 if not asked else 1000 if asked > 1 else draw(st.sampled_from((300, 500, 1000))) for asked in count]
    return {
        "nodes": {
            "id": [f"n{place}" for place in range(nodes)],
            "cpu": some(draw, nodes, 4, 10),
            "mem": some(draw, nodes, 4, 10),
            "gpu": gpus,
            "model": [draw(st.sampled_from(("A", "B"))) for _ in range(nodes)],
        },
        "pods": {
            "id": [f"p{place}" for place in range(pods)],
            "cpu": some(draw, pods, 0, 3),
            "mem": some(draw, pods, 0, 3),
            "num_gpu": count,
            "gpu_milli": milli,
            "spec": [draw(st.sampled_from(("", "", "A", "A|B"))) for _ in range(pods)],
            "node": home,
            "cards": [list(held) for held in cards],
            "movable": [int(seen > 0) for seen in some(draw, pods, 0, 5)],
            "age_seconds": some(draw, pods, 0, 9),
            "moved_seconds_ago": [seconds or None for seconds in some(draw, pods, 0, 9)],
        },
        "types": {"cpu": [1, 2], "mem": [1, 2], "num_gpu": [1, 2], "gpu_milli": [500, 1000], "share": [0.5, 0.5]},
    }


@st.composite
def plans(draw: st.DrawFn, cluster: dict[str, Any]) -> dict[str, Any]:
    """Moves of which most could be made, in waves of which most hold each once."""
    vms = "pms" in cluster
    units, nodes = cluster["vms" if vms else "pods"], cluster["pms" if vms else "nodes"]
    moves = []
    for unit in draw(st.lists(st.integers(0, len(units["id"])), max_size=6, unique_by=lambda one: one % 7)):
        move: dict[str, Any] = {
            "unit": f"v{unit}" if vms else f"p{unit}",
            "to": draw(st.sampled_from((*nodes["id"], *nodes["id"], "nowhere"))),
        }
        known = unit < len(units["id"])
        if vms:
            likely = -1 if known and units["double"][unit] else draw(st.integers(0, 1))
            move["numa_node"] = draw(st.sampled_from((likely,) * 6 + (-1, 2)))
        else:
            likely_cards = units["num_gpu"][unit] if known else 0
            move["cards"] = draw(st.permutations(range(8)))[: draw(st.sampled_from((likely_cards,) * 5 + (1,)))]
        moves.append(move)
    if moves and draw(st.integers(0, 5)) == 0:
        moves.append(dict(moves[0], to=nodes["id"][0]))
    places = list(range(len(moves)))
    cut = sorted(draw(st.lists(st.integers(0, len(places)), max_size=3)))
    waves = [places[low:high] for low, high in zip([0, *cut], [*cut, len(places)], strict=True)]
    if draw(st.integers(0, 5)) == 0:
        waves[0] = [*waves[0], draw(st.integers(-1, len(moves)))]
    return {"moves": moves, "waves": waves}
