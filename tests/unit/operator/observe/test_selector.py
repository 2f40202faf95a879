from __future__ import annotations

import pytest

from foresail.operator.observe.selector import Requirement, Selector, parse_selector, read_selector


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("app=chat", {"app": "chat"}, True),
        ("app==chat", {"app": "chat"}, True),
        ("app=chat", {"app": "other"}, False),
        ("app=chat,tier!=old", {"app": "chat"}, True),
        ("app=chat,tier!=old", {"app": "chat", "tier": "old"}, False),
        ("app in (chat, talk)", {"app": "talk"}, True),
        ("app notin (chat,talk)", {"app": "talk"}, False),
        ("app notin (chat,talk)", {}, True),
        ("leaderworkerset.sigs.k8s.io/name=x,leaderworkerset.sigs.k8s.io/worker-index=0", {}, False),
        ("app", {"app": ""}, True),
        ("!app", {"app": ""}, False),
        ("!app", {}, True),
        ("app=", {"app": ""}, True),
    ],
)
def test_the_text_of_a_selector_means_what_kubernetes_means(text: str, labels: dict[str, str], expected: bool) -> None:
    selector = parse_selector(text)
    assert selector is not None
    assert selector.matches(labels) is expected


@pytest.mark.parametrize("text", ["", "  ", "app=chat;x", "in (a)", "a=b c"])
def test_a_text_that_is_not_understood_selects_nothing_rather_than_everything(text: str) -> None:
    assert parse_selector(text) is None


def test_an_empty_selector_is_none() -> None:
    assert read_selector(None) is read_selector({"matchLabels": {}}) is None
    with pytest.raises(ValueError, match="at least one"):
        Selector(())


def test_labels_and_expressions_must_all_match() -> None:
    body = {"matchLabels": {"app": "chat"}, "matchExpressions": [{"key": "old", "operator": "DoesNotExist"}]}
    assert read_selector(body) == Selector(
        (Requirement("app", "In", frozenset({"chat"})), Requirement("old", "DoesNotExist"))
    )
