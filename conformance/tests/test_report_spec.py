"""Tests of the rules as read from the specification, and of their effects."""

from __future__ import annotations

import re

from kcom5_conformance import data, spec


def test_every_rule_of_the_text_is_read() -> None:
    anchors = re.findall(r'<a id="([a-z0-9.-]+)">', data.spec_file().read_text(encoding="utf-8"))
    assert [rule.name for rule in spec.rules()] == anchors
    assert len(anchors) == len(set(anchors)) > 0


def test_every_rule_has_an_effect_and_no_other_has() -> None:
    assert list(spec.read_effects()) == [rule.name for rule in spec.rules()]


def test_an_effect_is_one_sentence() -> None:
    for name, effect in spec.read_effects().items():
        assert effect[0].isupper() or effect[0].isdigit(), name
        assert effect.endswith("."), name
        assert ". " not in effect, name


def test_a_sentence_is_plain_text_with_its_wrapped_lines() -> None:
    sentences = {rule.name: rule.sentence for rule in spec.rules()}
    assert sentences["hello.segments"] == "The server MUST accept the hello in any number of pieces."
    assert sentences["hello.eof"] == (
        "If the client closes or resets before eight octets, the server MUST end with invalid-connection."
    )
    assert sentences["frame.order"].endswith("in this order, with nothing between or after.")
    assert not [name for name, text in sentences.items() if re.search(r"[`*\n]|  |\]\(", text)]


def test_a_level_is_the_keyword_of_the_sentence() -> None:
    levels = {rule.name: rule.level for rule in spec.rules()}
    assert levels["hello.form"] == "MUST"
    assert levels["hello.alone"] == "SHOULD"
    assert levels["listen.port-zero"] == "MAY"
