"""Group sizes before and after pruning, as SVG inside the page: grey before, blue kept."""

from collections.abc import Sequence

from markupsafe import Markup

WIDTH, HEIGHT = 720, 96
MOST_NAMED, MOST_WITH_TOOLTIPS = 40, 120
# Left free beside a bar, as shares of its column: what is kept is drawn narrower, in front of what there was.
MARGINS = {"before": 0.1, "after": 0.22}


def bar_columns(names: Sequence[str], before: Sequence[int], after: Sequence[int]) -> Markup:
    """A vertical bar for each group: the kept images in front of all images.

    Up to MOST_WITH_TOOLTIPS groups show their sizes in a tooltip, up to MOST_NAMED have their names below; more groups
    are drawn as two outlines, so a thousand clusters cost some 20 kB.
    """
    tallest, step = max(*before, *after, 1), WIDTH / len(before)
    if len(before) <= MOST_WITH_TOOLTIPS:
        columns = zip(names, before, after, strict=True)
        bars = Markup("").join(
            Markup("<g><title>{}: {:,} → {:,}</title>{}{}</g>").format(
                name, old, new, _bar(place, step, old / tallest, "before"), _bar(place, step, new / tallest, "after")
            )
            for place, (name, old, new) in enumerate(columns)
        )
    else:
        bars = _outline(before, step, tallest, "before") + _outline(after, step, tallest, "after")
    named = len(before) <= MOST_NAMED and all(len(name) <= 3 for name in names)
    texts = Markup("").join(
        Markup('<text x="{:.1f}" y="{}">{}</text>').format((place + 0.5) * step, HEIGHT + 12, name)
        for place, name in enumerate(names if named else ())
    )
    box = Markup('<svg class="columns" viewBox="0 0 {} {}" role="img" aria-label="sizes before and after">{}{}</svg>')
    return box.format(WIDTH, HEIGHT + (16 if named else 0), bars, texts)


def _bar(place: int, step: float, share: float, kind: str) -> Markup:
    margin = MARGINS[kind] * step
    box = Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')
    return box.format(kind, place * step + margin, HEIGHT * (1 - share), step - 2 * margin, HEIGHT * share)


def _outline(sizes: Sequence[int], step: float, tallest: int, kind: str) -> Markup:
    steps = "".join(
        f"V{HEIGHT * (1 - size / tallest):.1f}H{(place + 1) * step:.1f}" for place, size in enumerate(sizes)
    )
    return Markup('<path class="{}" d="M0 {}{}V{}Z"/>').format(kind, HEIGHT, steps, HEIGHT)
