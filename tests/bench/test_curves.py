"""Curves as SVG."""

from __future__ import annotations

from xml.etree import ElementTree

from dlpo_bench.curves import Curve, draw_curves

SVG = "{http://www.w3.org/2000/svg}"


def flat(label: str, value: float) -> Curve:
    return Curve(label, [0, 5, 10], [value] * 3, [value - 0.1] * 3, [value + 0.1] * 3)


def test_every_method_has_a_line_a_band_and_its_name_in_every_panel() -> None:
    document = draw_curves({"reward": [flat("dlpo", 3), flat("a<b", 4)], "kl": [flat("dlpo", 1)]})
    root = ElementTree.fromstring(document)
    assert len(root.findall(f".//{SVG}polyline")) == len(root.findall(f".//{SVG}polygon")) == 3
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"reward", "kl", "dlpo", "a<b"} <= set(texts)


def test_higher_values_are_drawn_higher() -> None:
    root = ElementTree.fromstring(draw_curves({"reward": [flat("low", 3), flat("high", 4)]}))
    low, high = (line.attrib["points"].split()[-1] for line in root.iter(f"{SVG}polyline"))
    assert float(high.split(",")[1]) < float(low.split(",")[1])


def test_names_that_end_at_one_place_do_not_cover_each_other() -> None:
    root = ElementTree.fromstring(draw_curves({"reward": [flat(name, 3) for name in "abc"]}))
    places = [float(t.attrib["y"]) for t in root.iter(f"{SVG}text") if t.text in ("a", "b", "c")]
    assert min(abs(x - y) for x in places for y in places if x != y) >= 12
    assert len(set(places)) == 3
