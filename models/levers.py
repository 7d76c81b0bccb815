"""What a company can move: figures that belong together, as all that is counted from use."""

from collections.abc import Sequence

from features.declare import Feature

_SLOW = {"customers", "plans", "subscriptions"}  # tables that say who it is, not what it does


def levers(features: Sequence[Feature]) -> list[tuple[int, ...]]:
    """Positions of the numbers that the company can act on, those together that move together.

    What others compare with as the past is not among them.
    """
    groups: list[tuple[set[str], list[int]]] = []
    past = {feature.compares[0] for feature in features if feature.compares}
    for position, feature in enumerate(features):
        if not feature.actionable or feature.kind != "number" or feature.name in past:
            continue
        facts = set(feature.tables) - _SLOW
        keys = {f"reason {feature.reason}", *(f"table {name}" for name in facts)}
        mine = [position]
        apart = []
        for other, members in groups:
            if other & keys:
                keys, mine = keys | other, members + mine
            else:
                apart.append((other, members))
        groups = [*apart, (keys, mine)]
    return [tuple(sorted(members)) for _, members in groups]
