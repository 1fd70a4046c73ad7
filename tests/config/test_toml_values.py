from __future__ import annotations

from craft.config.toml_values import dotted, leaves


def test_settings_are_found_by_their_paths() -> None:
    tree = {"seed": 1, "model": {"type": "gpt", "arguments": {}}, "callbacks": {"my.own": {"every": [1, {"a": 2}]}}}
    found = leaves(tree)
    assert found == {
        ("seed",): 1,
        ("model", "type"): "gpt",
        ("model", "arguments"): {},
        ("callbacks", "my.own", "every"): [1, {"a": 2}],
    }
    assert list(map(dotted, found)) == ["seed", "model.type", "model.arguments", 'callbacks."my.own".every']
    assert leaves({}) == {}
