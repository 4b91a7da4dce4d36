"""Parametric things of the street: cars, planes, trees and houses."""

import math
from itertools import pairwise

import numpy as np

from .shapes import Kit, Triangles, ball, box, cylinder, lathe, loft, mirrored, moved, prism, turned


def car(kit: Kit) -> None:
    """A body on four wheels with a cabin, lights, bumpers and a plate, its front to +y."""
    long, wide, wheel = kit.between(1.9, 2.6), kit.between(0.8, 1.0), kit.between(0.17, 0.26)
    low, waist, roof = wheel * 0.7, wheel + kit.between(0.25, 0.4), kit.between(0.28, 0.5)
    nose = kit.between(0.05, 0.18)  # how far the bonnet falls towards the front
    body = [(-long / 2, low), (long / 2, low), (long / 2, waist - nose), (long * 0.2, waist), (-long / 2, waist)]
    kit.add(0, prism(body, wide))
    # Where the cabin's sides begin and end: saloon, hatchback, van, pick-up.
    back, front = ((-0.38, 0.22), (-0.5, 0.22), (-0.5, 0.38), (-0.08, 0.25))[kit.among(4)]
    slant, rake = kit.between(0.05, 0.2), kit.between(0.02, 0.15 if back > -0.5 else 0.06)
    top = waist + roof
    cabin = [(back * long, waist), (front * long, waist), (front * long - slant, top), (back * long + rake, top)]
    kit.add(2, prism(cabin, wide * 0.88))
    length = cabin[2][0] - cabin[3][0]
    kit.add(0, moved(box(wide * 0.9, length, 0.05, 0.02), 0, (cabin[2][0] + cabin[3][0]) / 2, top))
    pillar = moved(box(wide * 0.9, 0.07, roof), 0, cabin[3][0] + length * kit.between(0.35, 0.55), waist + roof / 2)
    kit.add(0, pillar)
    for y in (-0.32, 0.32):
        tyre = moved(turned(cylinder(wheel, 0.16, 16), "y", math.pi / 2), wide / 2 - 0.04, y * long, wheel)
        hub = moved(turned(cylinder(wheel * 0.55, 0.18, 10), "y", math.pi / 2), wide / 2 - 0.04, y * long, wheel)
        kit.add(3, tyre, mirrored(tyre))
        kit.add(4, hub, mirrored(hub))
    light = moved(turned(cylinder(0.08, 0.05, 10), "x", math.pi / 2), wide * 0.33, long / 2, waist - nose - 0.09)
    kit.add(5, light, mirrored(light))
    tail = moved(box(0.14, 0.05, 0.1), wide * 0.36, -long / 2, waist - 0.1)
    kit.add(1, tail, mirrored(tail))
    bumper = box(wide * 1.02, 0.08, 0.1, 0.03)
    kit.add(4, moved(bumper, 0, long / 2, low + 0.06), moved(bumper, 0, -long / 2, low + 0.06))
    kit.add(5, moved(box(0.3, 0.04, 0.09), 0, -long / 2 - 0.03, low + 0.15))
    if kit.chance(0.3):
        kit.add(1, moved(box(wide, 0.14, 0.03), 0, 0.07 - long / 2, waist + 0.14))
        kit.add(1, moved(box(wide * 0.7, 0.05, 0.14), 0, 0.07 - long / 2, waist + 0.07))
    if kit.chance(0.3):
        kit.add(1, moved(box(wide * 0.6, length * 0.7, 0.1, 0.03), 0, (cabin[2][0] + cabin[3][0]) / 2, top + 0.08))
    if kit.chance(0.4):
        kit.add(1, moved(box(wide * 1.01, long * 0.8, 0.06), z=(low + waist) / 2))


def plane(kit: Kit) -> None:
    """A fuselage along y with wings, a tail and engines or a propeller, its nose to +y."""
    long, thick = kit.between(1.8, 2.4), kit.between(0.22, 0.36)
    r = thick / 2
    outline = [
        (0, -0.5),
        (0.25 * r, -0.49),
        (0.6 * r, -0.3),
        (r, -0.1),
        (r, 0.3),
        (0.75 * r, 0.42),
        (0.35 * r, 0.49),
        (0, 0.5),
    ]
    kit.add(0, turned(lathe([(x, z * long) for x, z in outline], 16), "x", -math.pi / 2))
    kit.add(2, moved(ball(thick * 0.75, long * 0.16, thick * 0.6, 12, 6), 0, long * 0.32, r * 0.75))
    span, chord, tip = kit.between(0.7, 1.2), kit.between(0.35, 0.55), kit.between(0.3, 0.9)
    sweep, rise = kit.between(0, 0.45), kit.between(-0.02, 0.15)
    z = kit.among(2) * r * 1.4 - r * 0.7
    decks, place = [z] if kit.chance(0.8) else [-r * 0.9, r * 1.8], long * kit.between(0.08, 0.18)
    for deck in decks:
        wing = moved(_wing(span, chord, tip, sweep, rise), 0, place, deck)
        kit.add(3, wing, mirrored(wing))
    tail = moved(_wing(span * 0.4, chord * 0.6, tip, sweep * 0.5, 0.02), 0, -long * 0.38, r * 0.3)
    kit.add(3, tail, mirrored(tail))
    fin = turned(_wing(kit.between(0.3, 0.45), chord * 0.7, 0.6, 0.2, 0.0), "y", -math.pi / 2)
    kit.add(1, moved(fin, 0, -long * 0.36, r * 0.2))
    if len(decks) == 2:
        strut = moved(box(0.03, 0.06, decks[1] - decks[0]), span * 0.6, long * 0.05, sum(decks) / 2)
        kit.add(4, strut, mirrored(strut))
    if len(decks) == 2 or kit.chance(0.4):
        _propeller(kit, long * 0.52)
    else:
        _pods(kit, span, sweep, long * 0.1, z - 0.1)
    if kit.chance(0.6):
        kit.add(5, moved(box(thick * 1.01, long * 0.35, 0.05), 0, long * 0.1, r * 0.25))  # a band of windows
    if kit.chance(0.4):
        wheel = moved(turned(cylinder(0.07, 0.05, 10), "y", math.pi / 2), 0.15, long * 0.05, -r - 0.1)
        kit.add(5, wheel, mirrored(wheel), moved(box(0.32, 0.04, 0.04), 0, long * 0.05, -r - 0.08))


def _propeller(kit: Kit, y: float) -> None:
    """A propeller before the nose."""
    kit.add(4, moved(turned(cylinder(0.05, 0.12, 10, 0.02), "x", -math.pi / 2), y=y))
    blades, reach = 2 + kit.among(3), kit.between(0.28, 0.34)
    for i in range(blades):
        blade = moved(box(0.06, 0.02, reach), z=0.17)
        kit.add(5, moved(turned(blade, "y", math.tau * i / blades), y=y))


def _pods(kit: Kit, span: float, sweep: float, y: float, z: float) -> None:
    """One or two engines under each wing."""
    for x in (0.35, 0.65)[: 1 + kit.among(2)]:
        pod = moved(turned(cylinder(0.08, 0.32, 12, 0.06), "x", math.pi / 2), x * span, y - sweep * x, z)
        kit.add(4, pod, mirrored(pod))


def tree(kit: Kit) -> None:
    """A trunk with a crown of balls, cones, one tall ball or palm leaves; fruit and a nesting box on one side."""
    trunk, radius, crown = kit.between(0.3, 0.8), kit.between(0.05, 0.1), kit.between(0.35, 0.6)
    style = kit.among(4)
    if style == 3:
        trunk += 0.4
    kit.add(2, moved(cylinder(radius * 1.3, trunk + 0.1, 10, radius), z=trunk / 2))
    for at in (_balls, _cones, _tall_ball, _leaves)[style](kit, trunk, crown):
        kit.add(1, moved(ball(0.15, 0.15, 0.15, 8, 4), *at))
    side, up = math.pi * kit.between(1.2, 1.8), trunk * kit.between(0.4, 0.7)
    box_at, large = radius + 0.12, kit.between(0.18, 0.24)
    nest = moved(box(large, large, large * 1.3, 0.01), box_at, 0, up)
    hole = moved(turned(cylinder(0.05, 0.02, 8), "y", math.pi / 2), box_at + large / 2, 0, up + 0.02)
    lid = moved(box(large * 1.4, large * 1.3, 0.03), box_at, 0, up + large * 0.68)
    kit.add(3, turned(nest, "z", side))
    kit.add(4, turned(hole, "z", side), turned(lid, "z", side))


Places = list[tuple[float, float, float]]  # where fruit hangs


def _balls(kit: Kit, trunk: float, crown: float) -> Places:
    """A crown of several balls; fruit on the sides of them that look to +y."""
    fruit: Places = []
    for i in range(count := 3 + kit.among(4)):
        size, angle = kit.between(0.7, 1.2) * crown, math.tau * i / count + kit.between(-0.4, 0.4)
        away, flat = crown * kit.between(0.2, 0.6), kit.between(0.7, 1)
        x, y, z = away * math.cos(angle), away * math.sin(angle), trunk + crown * kit.between(0.2, 0.9)
        kit.add(0, moved(ball(size, size, size * flat, 10, 6), x, y, z))
        if y > -0.1 * crown:
            turn, up = kit.between(0.9, 2.2), kit.between(0, 0.9)
            out = size / 2 * math.cos(up)
            fruit.append((x + out * math.cos(turn), y + out * math.sin(turn), z + size / 2 * flat * math.sin(up)))
    return fruit


def _cones(kit: Kit, trunk: float, crown: float) -> Places:
    """A crown of cones, one above the other; fruit at the rims of their fronts."""
    fruit: Places = []
    for i in range(count := 2 + kit.among(3)):
        base, tall = crown * (1 - 0.65 * i / count), crown * kit.between(0.8, 1.1)
        low = trunk + crown * 0.5 * i
        kit.add(0, moved(cylinder(base, tall, 14, 0.02), z=low + tall / 2))
        for _ in range(2):
            turn, up = kit.between(0.7, 2.4), kit.between(0.1, 0.35)
            out = base * (1 - up)
            fruit.append((out * math.cos(turn), out * math.sin(turn), low + tall * up))
    return fruit


def _tall_ball(kit: Kit, trunk: float, crown: float) -> Places:
    """A crown of one tall ball; fruit on its front."""
    tall = crown * kit.between(1.5, 3)
    kit.add(0, moved(ball(crown * 1.1, crown * 1.1, tall, 16, 10), z=trunk + tall * 0.45))
    fruit: Places = []
    for _ in range(5 + kit.among(4)):
        turn, up = kit.between(0.7, 2.4), kit.between(-0.6, 1.1)
        out = crown * 0.55 * math.cos(up)
        fruit.append((out * math.cos(turn), out * math.sin(turn), trunk + tall * (0.45 + 0.5 * math.sin(up))))
    return fruit


def _leaves(kit: Kit, trunk: float, crown: float) -> Places:
    """A crown of palm leaves all around; fruit on the front of the trunk below it."""
    for i in range(count := 6 + kit.among(4)):
        kit.add(0, moved(turned(_leaf(crown * 1.3, kit.between(0.1, 0.4)), "z", math.tau * i / count), z=trunk))
    return [(kit.between(-0.12, 0.12), 0.12, trunk - kit.between(0, 0.15)) for _ in range(3)] + [
        (0.05, 0.14, trunk + 0.1)
    ]


def house(kit: Kit) -> None:
    """A box under a roof, its door at +y, windows in differing numbers, a chimney; perhaps an annexe or a porch."""
    wide, deep, high = kit.between(0.9, 1.6), kit.between(0.8, 1.2), kit.between(0.5, 1.1)
    kit.add(0, moved(box(wide, deep, high), z=high / 2))
    rise = _roof(kit, wide, deep, high)
    door = wide * kit.between(-0.3, 0.3)
    kit.add(1, moved(box(0.2, 0.05, 0.38, 0.01), door, deep / 2, 0.19))
    kit.add(5, moved(ball(0.04, 0.04, 0.04, 6, 4), door + 0.06, deep / 2 + 0.03, 0.18))
    for angle, width, reach in (
        (0, wide, deep),
        (math.pi / 2, deep, wide),
        (math.pi, wide, deep),
        (-math.pi / 2, deep, wide),
    ):
        count = 1 + kit.among(3)
        for floor in range(2 if high > 0.85 else 1):
            for i in range(count):
                x = width * ((i + 0.5) / count - 0.5) * 0.85
                if angle == 0 and floor == 0 and abs(x - door) < 0.25:
                    continue
                pane = moved(box(0.17, 0.04, 0.2), x, reach / 2, 0.3 + 0.42 * floor)
                frame = moved(box(0.21, 0.025, 0.24), x, reach / 2, 0.3 + 0.42 * floor)
                kit.add(3, turned(pane, "z", angle))
                kit.add(4, turned(frame, "z", angle))
    if kit.chance(0.9):
        x, y = math.copysign(wide * kit.between(0.2, 0.35), door), -deep * kit.between(0.1, 0.3)
        kit.add(4, moved(box(0.14, 0.14, rise + 0.25), x, y, high + (rise + 0.25) / 2))
    if kit.chance(0.4):
        annexe = kit.between(0.35, 0.55)
        side = math.copysign(wide / 2 + 0.2, -door)
        kit.add(5, moved(box(0.4, deep * 0.6, annexe), side, -deep * 0.1, annexe / 2))
        kit.add(2, moved(box(0.46, deep * 0.66, 0.06), side, -deep * 0.1, annexe + 0.03))
    if kit.chance(0.4):
        post = moved(cylinder(0.03, 0.45, 8), door + 0.2, deep / 2 + 0.25, 0.225)
        kit.add(4, post, moved(post, -0.4))
        kit.add(2, moved(box(0.5, 0.35, 0.05), door, deep / 2 + 0.15, 0.46))


def _roof(kit: Kit, wide: float, deep: float, high: float) -> float:
    """A gable, hip or flat roof; its height."""
    rise, over = kit.between(0.3, 0.6), kit.between(0.04, 0.12)
    style = kit.among(4)
    y = deep / 2 + over
    if style == 0:
        kit.add(2, moved(box(wide + 2 * over, deep + 2 * over, 0.1, 0.01), z=high + 0.05))
        return 0.1
    if style == 1:
        x, ridge = wide / 2 + over, max(wide - deep, 0) / 2
        eaves = np.array([(x, y, 0), (-x, y, 0), (-x, -y, 0), (x, -y, 0.0)])
        a, b = ridge + 0.01, 0.01  # not quite a line or a point: outlines have areas
        top = np.array([(a, b, rise), (-a, b, rise), (-a, -b, rise), (a, -b, rise)])
        kit.add(2, moved(loft(eaves, top), z=high))
        return rise
    kit.add(0, moved(prism([(-deep / 2, 0), (deep / 2, 0), (0, rise * 0.93)], wide), z=high))
    slope = [
        (-y, -over * 0.5),
        (-y, 0.06 - over * 0.5),
        (0, rise + 0.07),
        (y, 0.06 - over * 0.5),
        (y, -over * 0.5),
        (0, rise),
    ]
    kit.add(2, moved(prism(slope[::-1], wide + 2 * over), z=high))
    return rise


def _wing(span: float, chord: float, tip: float, sweep: float, rise: float) -> Triangles:
    """Half a wing along +x from the plane x = 0: so wide there, `tip` times as wide at its end, swept back and up."""
    section = np.array([(0.5, 0), (0.2, 0.06), (-0.5, 0), (0.2, -0.04)])  # y z
    root = np.column_stack((np.zeros(4), section * chord))
    end = np.column_stack((np.full(4, span), section * chord * tip + np.array([-sweep, rise])))
    return loft(root, end)


def _leaf(long: float, droop: float) -> Triangles:
    """A bent palm leaf from the origin along +x."""
    places = [(0, 0.05, 0), (0.35, 0.14, 0.12), (0.7, 0.12, 0.02), (1, 0.02, -droop)]
    rings = [
        np.array([(x * long, y * long, z * long), (x * long, 0, z * long + 0.03), (x * long, -y * long, z * long)])
        for x, y, z in places
    ]
    return np.concatenate([loft(first, last) for first, last in pairwise(rings)])
