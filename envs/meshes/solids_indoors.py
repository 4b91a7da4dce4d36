"""Parametric things of the house: chairs, tables, beds, lamps, mugs and bottles."""

import math

import numpy as np

from .shapes import Kit, Number, Triangles, ball, box, cylinder, lathe, mirrored, moved, tube, turned

Profile = list[tuple[float, float]]


def chair(kit: Kit) -> None:
    """A seat with a back at -y, on four legs or on a column with a star of feet; perhaps arms and a cushion."""
    wide, deep, high = kit.between(0.4, 0.6), kit.between(0.4, 0.55), kit.between(0.35, 0.55)
    thick = kit.between(0.03, 0.07)
    inner = 0.66 if kit.chance(0.2) else 0.88
    if inner < 0.8:
        kit.add(0, moved(cylinder(wide / 2, thick, 20), z=high) * np.array([1, deep / wide, 1]))
    else:
        kit.add(0, moved(box(wide, deep, thick, thick / 3), z=high))
    if kit.chance(0.3):
        _star(kit, high, wide)
    else:
        _legs(kit, wide * inner, deep * inner, high, kit.between(-0.05, 0.12))
    tall, lean = kit.between(0.3, 0.6), kit.between(0, 0.25)
    parts = _back(kit, wide, thick, tall)
    place = [moved(turned(part, "x", lean), y=0.02 - deep / 2, z=high) for part in parts]
    kit.add(kit.among(2) * 3, *place)
    if kit.chance(0.35):
        rest = kit.between(0.15, 0.25)
        arm = moved(box(0.05, deep * 0.9, 0.04, 0.01), wide / 2, 0, high + rest)
        post = moved(box(0.04, 0.04, rest), wide / 2, deep * 0.35, high + rest / 2)
        kit.add(2, arm, post, mirrored(arm), mirrored(post))
    if kit.chance(0.5):
        kit.add(1, moved(box(wide * 0.85, deep * 0.8, 0.06, 0.025), z=high + thick / 2 + 0.03))


def table(kit: Kit) -> None:
    """A top on four legs, a column or two panels, with a drawer at +y and things on one side of it."""
    wide, deep, high = kit.between(0.9, 1.6), kit.between(0.6, 0.9), kit.between(0.4, 0.8)
    thick = kit.between(0.03, 0.08)
    round_top = kit.chance(0.35)
    if round_top:
        deep = wide = kit.between(0.8, 1.2)
        kit.add(0, moved(cylinder(wide / 2, thick, 28), z=high))
    else:
        kit.add(0, moved(box(wide, deep, thick, thick / 4), z=high))
    inner = 0.6 if round_top else 0.9
    style = kit.among(3)
    if style == 0:
        _legs(kit, wide * inner, deep * inner, high, kit.between(-0.08, 0.08))
    elif style == 1:
        foot = kit.between(0.2, 0.3) * deep / 0.7
        kit.add(
            2, moved(cylinder(kit.between(0.04, 0.1), high), z=high / 2), moved(cylinder(foot, 0.05, 20, 0.7 * foot))
        )
    else:
        panel = moved(box(0.05, deep * inner, high, 0.01), wide * inner / 2, 0, high / 2)
        kit.add(2, panel, mirrored(panel), moved(box(wide * inner, 0.04, 0.08), z=high * kit.between(0.2, 0.7)))
    drawer = kit.between(0.25, 0.5) * wide
    front = deep / 2 * (0.75 if round_top else 1)
    kit.add(3, moved(box(drawer, 0.2, 0.12, 0.01), 0, front - 0.1, high - thick / 2 - 0.06))
    kit.add(1, moved(ball(0.06, 0.06, 0.06, 8, 4), 0, front + 0.02, high - thick / 2 - 0.06))
    x, y = kit.between(-0.25, 0.25) * wide, kit.between(-0.2, -0.1) * deep
    book = turned(box(kit.between(0.2, 0.35), kit.between(0.15, 0.25), 0.05, 0.005), "z", kit.between(-0.6, 0.6))
    kit.add(1, moved(book, x, y, high + thick / 2 + 0.025))
    if kit.chance(0.5):
        kit.add(4, moved(cylinder(0.06, 0.15, 12, 0.08), -math.copysign(0.3, x) * wide, 0, high + thick / 2 + 0.075))


def bed(kit: Kit) -> None:
    """A mattress on a frame, its head at -y, with pillows and a blanket; perhaps a foot board or a second storey."""
    wide, long, high = kit.between(0.8, 1.7), kit.between(1.8, 2.1), kit.between(0.2, 0.45)
    soft, head = kit.between(0.15, 0.3), kit.between(0.45, 1.0)
    storeys = [0.0, kit.between(0.9, 1.1)] if wide < 1.15 and kit.chance(0.35) else [0.0]
    for up in storeys:
        z = high + up
        kit.add(0, moved(box(wide, long, 0.14, 0.02), z=z))
        kit.add(2, moved(box(wide * 0.96, long * 0.97, soft, 0.06), z=z + 0.07 + soft / 2))
        top = z + 0.07 + soft
        cover = long * kit.between(0.5, 0.7)
        kit.add(1, moved(box(wide * 1.02, cover, soft * 0.7, 0.03), 0, (long - cover) / 2 + 0.02, top - soft * 0.3))
        pillows = 2 if wide > 1.15 else 1
        for i in range(pillows):
            pillow = box(0.75 * wide / pillows, 0.38, 0.14, 0.05)
            kit.add(3, moved(pillow, wide * (i - (pillows - 1) / 2) / pillows, 0.27 - long / 2, top + 0.06))
    tall = head + storeys[-1]
    kit.add(kit.among(2) * 4, *[moved(part, y=-long / 2, z=high) for part in _back(kit, wide, 0.06, tall)])
    if kit.chance(0.5) or len(storeys) > 1:
        foot = kit.between(0.3, 0.6) * head + storeys[-1]
        kit.add(4, moved(box(wide, 0.06, foot, 0.02), y=long / 2, z=high + foot / 2))
    _legs(kit, wide - 0.1, long - 0.1, high, 0.0)
    if kit.chance(0.5) and len(storeys) == 1:
        kit.add(5, moved(box(0.4, 0.4, 0.5, 0.02), wide / 2 + 0.25, 0.25 - long / 2, 0.25))


def lamp(kit: Kit) -> None:
    """A shade on a stem or a bent arm; a switch, a cord and a patch of the shade are on one side."""
    foot, thick = kit.between(0.12, 0.2), kit.between(0.02, 0.06)
    kit.add(2, moved(cylinder(foot, thick, 20, foot * kit.between(0.6, 1)), z=thick / 2))
    kit.add(1, moved(box(0.05, 0.06, 0.05, 0.01), 0, foot * 0.7, thick + 0.01))
    cord = np.array(
        [(0, -foot * 0.8, 0.02), (0.03, -foot - 0.08, 0.02), (0.1, -foot - 0.15, 0.02), (0.2, -foot - 0.16, 0.02)]
    )
    kit.add(4, tube(cord, 0.012, 6))
    low, high, tall = kit.between(0.14, 0.26), kit.between(0.06, 0.14), kit.between(0.15, 0.3)
    if kit.chance(0.35):
        joint = np.array([0, kit.between(-0.15, -0.05), kit.between(0.25, 0.4)])
        end = joint + np.array([0, kit.between(0.2, 0.35), kit.between(0.05, 0.2)])
        arm = np.array([[0, 0, thick], joint, end])
        kit.add(3, tube(arm[:2], 0.018), tube(arm[1:], 0.018), moved(ball(0.06, 0.06, 0.06, 10, 6), *joint))
        lean, at = kit.between(0.2, 0.9), end - [0, 0, tall / 2]
        low, high, tall = low * 0.75, high * 0.6, tall * 0.8
    else:
        stem = kit.between(0.25, 0.9)
        kit.add(3, moved(cylinder(kit.between(0.015, 0.03), stem, 10), z=thick + stem / 2))
        if kit.chance(0.4):
            belly = kit.between(0.12, 0.2)
            kit.add(5, moved(ball(belly, belly, kit.between(0.8, 1.6) * belly, 14, 8), z=thick + 0.6 * belly))
        lean, at = 0.0, np.array([0, 0, thick + stem - tall * 0.3])
    wall = [(low, 0.0), (high, tall)]
    shade = lathe([*wall, (high - 0.008, tall), (low - 0.008, 0.0), wall[0]], 24)
    patch = _patch(wall, 24, kit.between(2, 6), kit.among(3) + 4, 1.03)
    bulb = moved(ball(0.08, 0.08, 0.1, 10, 6), z=tall * 0.4)
    for colour, part in ((0, shade), (1, patch), (5, bulb)):
        kit.add(colour, moved(turned(part, "x", lean), *at))


def mug(kit: Kit) -> None:
    """A cup with a handle at +x, a label opposite, a small emblem in front and a drink inside."""
    radius, high, wall = kit.between(0.3, 0.45), kit.between(0.55, 1.1), kit.between(0.025, 0.05)
    flare, belly = kit.between(0.8, 1.2), kit.between(-0.06, 0.12)
    steps = np.linspace(0, 1, 6)
    outside = [(radius * (1 + (flare - 1) * t + belly * math.sin(math.pi * t)), high * t) for t in steps.tolist()]
    inside = [(r - wall, max(z, wall)) for r, z in reversed(outside)]
    kit.add(0, lathe([(0, 0), *outside, *inside, (0, wall)], 24))
    level = kit.between(0.6, 0.9)
    kit.add(2, moved(lathe([(radius * (1 + (flare - 1) * level) - wall * 0.5, 0), (0, 0)], 24), z=high * level))
    size, reach = kit.between(0.4, 0.7) * high / 2, kit.between(0.18, 0.3)
    angle = np.linspace(-math.pi / 2, math.pi / 2, 11)
    grip = np.stack((radius * 0.98 + reach * np.cos(angle), 0 * angle, high / 2 + size * np.sin(angle)), 1)
    if kit.chance(0.3):
        grip[:, 0] = np.minimum(grip[:, 0], radius + reach * 0.75)  # an angular one
    kit.add(kit.among(2) * 3, tube(grip, kit.between(0.03, 0.055)))
    kit.add(1, _patch(outside[1:5], 24, 12, kit.among(4) + 4, 1.01))
    kit.add(4, _patch(outside[2:4], 24, 6, 2, 1.02))


def bottle(kit: Kit) -> None:
    """A body with shoulders, a neck and a cap; a label in front, marks behind and at a side, sometimes a handle."""
    radius, high = kit.between(0.2, 0.35), kit.between(0.6, 1.0)
    neck, tall, shoulder = kit.between(0.25, 0.5) * radius, kit.between(0.12, 0.4), kit.between(0.05, 0.3)
    sides = 4 if kit.chance(0.25) else 24
    waist = kit.between(0.85, 1.0)
    body = [(radius, 0.0), (radius * waist, high / 2), (radius, high)]
    bend = [(neck + (radius - neck) * math.cos(t), high + shoulder * math.sin(t)) for t in (0.4, 0.8, 1.2)]
    top = high + shoulder
    kit.add(0, lathe([(0, 0), *body, *bend, (neck, top), (neck, top + tall), (0, top + tall)], sides))
    cap = kit.between(0.05, 0.12)
    kit.add(2, moved(cylinder(neck * 1.25, cap, 14), z=top + tall))
    kit.add(4, moved(box(neck, neck * 0.5, cap * 0.5), 0, neck, top + tall))  # the tab of its seal
    low, up = kit.between(0.1, 0.3), kit.between(0.65, 0.9)
    label = [(_radius(body, high * t), high * t) for t in (low, 0.5, up)]
    middle = 1.5 if sides == 4 else 6.0  # a flat side's middle points to +x, from where all is turned to +y
    few = 1 if sides == 4 else 5
    kit.add(1, _patch(label, sides, middle, 1 if sides == 4 else 9, 1.015))
    kit.add(3, _patch(label[:2], sides, middle + sides / 2, few, 1.02))
    kit.add(4, _patch([body[-1], *bend], sides, middle + sides / 4, few, 1.02))
    if kit.chance(0.3):
        angle = np.linspace(-math.pi / 2, math.pi / 2, 9)
        grip = np.stack((radius * 0.95 + 0.16 * np.cos(angle), 0 * angle, high * 0.8 + 0.2 * np.sin(angle)), 1)
        kit.add(5, tube(grip, 0.03))


def _legs(kit: Kit, wide: float, deep: float, high: float, splay: float) -> None:
    """Four legs from the floor to z = high, standing further apart by `splay` at the floor."""
    radius, kind = kit.between(0.02, 0.04), kit.among(2)
    colour = 2 + kit.among(2)
    for x in (-1, 1):
        for y in (-1, 1):
            if kind == 0:
                top = np.array([x * wide / 2, y * deep / 2, high])
                kit.add(colour, tube(np.array([top + np.array([x * splay, y * splay, -high]), top]), radius, 10))
            else:
                kit.add(colour, moved(box(2 * radius, 2 * radius, high, 0.008), x * wide / 2, y * deep / 2, high / 2))


def _star(kit: Kit, high: float, wide: float) -> None:
    """A column on five feet, one of them another colour."""
    kit.add(2, moved(cylinder(0.03, high, 12), z=high / 2))
    for i in range(5):
        foot = moved(box(0.05, wide * 0.55, 0.04, 0.01), 0, wide * 0.27, 0.05)
        wheel = moved(ball(0.07, 0.07, 0.07, 8, 4), 0, wide * 0.53, 0.03)
        kit.add(4 if i == 0 else 2, turned(foot, "z", i * math.tau / 5), turned(wheel, "z", i * math.tau / 5))


def _back(kit: Kit, wide: float, thick: float, tall: float) -> list[Triangles]:
    """A back that stands on the x axis: a panel, upright bars or a ladder of rails."""
    style = kit.among(3)
    if style == 0:
        return [moved(box(wide, thick, tall, thick / 3), z=tall / 2)]
    post = moved(box(0.05, thick, tall, 0.01), wide / 2 - 0.025, 0, tall / 2)
    if style == 1:
        bars = 3 + kit.among(4)
        places = [wide * ((i + 1) / (bars + 1) - 0.5) for i in range(bars)]
        uprights = [moved(box(0.03, thick * 0.6, tall), x, 0, tall / 2) for x in places]
        return [post, mirrored(post), *uprights, moved(box(wide, thick, 0.09, 0.02), z=tall)]
    rails = 2 + kit.among(3)
    high = tall / rails * kit.between(0.3, 0.65)
    return [
        post,
        mirrored(post),
        *[moved(box(wide, thick * 0.7, high, 0.01), z=tall * (i + 1) / rails - high / 2) for i in range(rails)],
    ]


def _patch(wall: Profile, sides: int, middle: Number, count: int, out: float) -> Triangles:
    """A patch on a turned wall of so many sides: `count` of them around side number `middle`, a little outside."""
    first = round(middle - count / 2)
    step = math.tau / sides
    return lathe([(r * out, z) for r, z in wall], count, first * step, count * step)


def _radius(wall: Profile, z: float) -> float:
    """The radius of a wall at a height."""
    return float(np.interp(z, [p[1] for p in wall], [p[0] for p in wall]))
