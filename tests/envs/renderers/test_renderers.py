"""Renderers draw the same scene, turned as they are told, lit as they are told; a batch is its rows."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from fakes.meshes import RED, ball, both, box, draw, ground, latents, made, pixel, shot
from scipy.spatial.transform import Rotation

from gazeworld.envs.meshes.mesh import Material, Mesh
from gazeworld.envs.objects import renderer as renderers
from gazeworld.envs.objects import stage
from gazeworld.envs.objects.renderer import Renderer, UnavailableError, make_renderer, outward
from gazeworld.envs.objects.stage import Lamps, Shots
from gazeworld.envs.registry import UnknownNameError

SIZE = 64


@pytest.fixture(scope="module", params=["embree", "opengl"])
def renderer(request: pytest.FixtureRequest) -> Iterator[Renderer]:
    drawn = made(request.param, SIZE)
    yield drawn
    drawn.close()


def test_latents_mean_what_the_benchmark_says() -> None:
    numbers = latents(20)
    shots = Shots.of_latents(numbers)
    expected = Rotation.from_euler("xyz", numbers[:, :3].numpy()).as_matrix()
    np.testing.assert_allclose(shots.rotation, expected, atol=1e-5)
    np.testing.assert_allclose(shots.spot_hue, numbers[:, 6])
    assert len(shots[:3]) == 3


def test_lamps_point_at_the_origin_and_have_their_hue() -> None:
    lamps = Lamps.of(shot(0, 0, 0, 1 / 3, 0.5, 1.0, 2 / 3))
    np.testing.assert_allclose(lamps.frame[0] @ lamps.frame[0].T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(lamps.frame[0, 2], [np.sin(0.5) * np.cos(1), np.sin(0.5) * np.sin(1), np.cos(0.5)], 1e-5)
    np.testing.assert_allclose(lamps.floor[0], [0.24, 0.6, 0.24], atol=1e-6)
    np.testing.assert_allclose(lamps.beam[0], [0, 0, 0.8 * 500 / (4 * np.pi)], atol=1e-4)


def test_sunlight_is_the_mean_over_its_disc() -> None:
    rng = np.random.default_rng(0)
    radius, angle = np.sqrt(rng.random(200_000)), 2 * np.pi * rng.random(200_000)
    ways = np.stack((radius * np.cos(angle), radius * np.sin(angle), np.ones_like(radius))) / np.hypot(radius, 1)
    lean = np.linspace(0, np.pi, 13)
    normals = np.stack((np.sin(lean), 0 * lean, np.cos(lean)), 1)
    seen = np.maximum(normals @ ways, 0).mean(1) * stage.SUN_STRENGTH
    np.testing.assert_allclose(stage.SUN_IRRADIANCE * stage.sunlight(np.cos(lean)), seen, atol=0.01)


def test_the_floor_is_as_bright_as_in_the_published_pictures(renderer: Renderer) -> None:
    """147 and 102 are the largest and smallest channel far from the spot in the data set's example pictures."""
    for hue in (0.0, 0.2, 0.4, 0.6, 0.8, 0.95):
        picture = draw(renderer, box(sides=(0.1, 0.1, 0.1)), shot(0, 0, 0, hue, 0.7, -np.pi / 2, 0.0))[0]
        far = picture[0, 0]
        assert abs(far.max() - 147) <= 1
        assert abs(far.min() - 102) <= 1
        expected = stage.rgb_of_hsv(np.array(hue), 0.6, 0.6)
        assert far.argmax() == expected.argmax()
        assert far.argmin() == expected.argmin()


def test_the_spot_lights_the_floor_where_it_points_in_its_colour(renderer: Renderer) -> None:
    for phi in (0.0, np.pi):
        for hue, channel in ((0.0, 0), (1 / 3, 1), (2 / 3, 2)):
            picture = draw(renderer, box(sides=(0.01,) * 3), shot(0, 0, 0, 0.5, 0.6, phi, hue))[0]
            middle = ground(np.array([0, 0, 0.0]), 0.6, phi)
            lit = pixel(picture, middle + np.array([0, 0.1, 0])) - picture[0, 0]
            assert lit[channel] > 15
            assert np.abs(np.delete(lit, channel)).max() <= 1
            assert np.abs(pixel(picture, middle * [-1, 1, 1]) - picture[0, 0]).max() <= 1


def test_the_shadow_falls_where_the_light_sends_it_and_is_soft(renderer: Renderer) -> None:
    for theta, phi in ((0.3, 1.2), (0.35, 4.0), (0.0, 0.0)):
        numbers = (0, 0, 0, 0.5, theta, phi, 0.0)
        with_it, without = (
            draw(renderer, box((0.0, 0.0, 0.1), (side,) * 3), shot(*numbers))[0, ..., 0] for side in (0.4, 0.001)
        )
        middle = ground(np.array([0, 0, 0.1]), theta, phi)
        free = stage.project(np.float32(middle))
        body = stage.project(np.float32([0, 0, 0.1]))
        if np.abs(free - body).max() > 0.2:  # not behind the object
            assert pixel(without, middle) - pixel(with_it, middle) > 15
        darker = (without - with_it)[SIZE // 2 :]
        assert ((darker > 3) & (darker < 12)).sum() >= 8  # a border between light and shadow


@pytest.mark.parametrize("angles", [(0, 0, 0), (0.9, 0, 0), (0, 0.9, 0), (0, 0, 0.9), (-0.7, 0.5, 1.2), (2.5, -1, 3)])
def test_a_mark_lands_where_the_rotation_says(renderer: Renderer, angles: tuple[float, float, float]) -> None:
    mark = np.array([0.38, 0.12, 0.2])
    picture = draw(renderer, box(mark, (0.06,) * 3, RED), shot(*angles, 1 / 3, 0.7, -np.pi / 2, 1 / 3))[0]
    rows, columns = np.nonzero(picture[..., 0] > picture[..., 1])  # the floor and the light are green
    assert len(rows)
    turned = Rotation.from_euler("xyz", angles).as_matrix() @ mark
    found = (np.array([rows.mean(), columns.mean()]) + 0.5) / SIZE
    np.testing.assert_allclose(found, stage.project(np.float32(turned)), atol=1.2 / SIZE)


def test_what_is_nearer_hides_what_is_behind(renderer: Renderer) -> None:
    eye = stage.camera()[0]
    front, back = 0.3 * eye / np.linalg.norm(eye), -0.3 * eye / np.linalg.norm(eye)
    blue = Material((0.0, 0.0, 1.0))
    numbers = shot(0, 0, 0, 1 / 3, 0.7, -np.pi / 2, 1 / 3)
    for first, second, channel in ((RED, blue, 0), (blue, RED, 2)):
        mesh = both(box(front, (0.3,) * 3, first), box(back, (0.3,) * 3, second))
        assert pixel(draw(renderer, mesh, numbers)[0], np.zeros(3)).argmax() == channel


def test_a_batch_is_its_rows(renderer: Renderer) -> None:
    meshes = [box(sides=(0.5, 0.3, 0.7)), ball(), both(box(sides=(0.6, 0.1, 0.1)), box((0.2, 0, 0), (0.12,) * 3, RED))]
    which, shots = torch.tensor([2, 0, 1, 1, 2, 0, 0]), Shots.of_latents(latents(7))
    renderer.place(meshes)
    batch = renderer.render(which, shots)
    assert batch.dtype == torch.uint8
    assert batch.shape == (7, SIZE, SIZE, 3)
    assert batch.is_contiguous()
    assert renderer.version.startswith(renderer.name)
    tolerance = 0 if renderer.name == "embree" else 3  # cells of a large picture round differently
    for i in range(7):
        row = renderer.render(which[i : i + 1], shots[i : i + 1])
        assert (row[0].int() - batch[i].int()).abs().max() <= tolerance
    assert renderer.render(which[:0], shots[:0]).shape == (0, SIZE, SIZE, 3)


def test_placing_again_prepares_only_what_is_new(renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = box(sides=(0.5,) * 3), ball(), box(sides=(0.2, 0.4, 0.6), material=RED)
    prepared, dropped = [], []
    prepare, drop = renderer._prepare, renderer._drop
    monkeypatch.setattr(renderer, "_prepare", lambda mesh: prepared.append(mesh.name) or prepare(mesh))
    monkeypatch.setattr(renderer, "_drop", lambda placed: dropped.append(placed) or drop(placed))
    renderer.place([])
    dropped.clear()
    renderer.place([first, second])
    renderer.place([second, first, first])
    assert prepared == ["box", "ball"]
    assert not dropped
    renderer.place([third, second])
    assert prepared == ["box", "ball", "box"]
    assert len(dropped) == 1
    shots = Shots.of_latents(latents(2))
    after = renderer.render(torch.tensor([1, 0]), shots)
    renderer.place([second, third])
    assert torch.equal(after, renderer.render(torch.tensor([0, 1]), shots))


def test_faces_wound_either_way_look_the_same(renderer: Renderer) -> None:
    whole = ball()
    faces = whole.faces.copy()
    faces[::2] = faces[::2, ::-1]
    mixed = Mesh("mixed", whole.vertices, whole.normals, faces, whole.uv, whole.face_materials, whole.materials)
    np.testing.assert_array_equal(outward(mixed), outward(whole))
    shots = Shots.of_latents(latents(4))
    assert np.abs(draw(renderer, mixed, shots) - draw(renderer, whole, shots)).max() <= 3


def test_light_comes_from_above(renderer: Renderer) -> None:
    picture = draw(renderer, ball(material=Material()), shot(0, 0, 0, 0.0, 0.0, 0.0, 0.5))[0]
    top, bottom = (pixel(picture, 0.45 * np.array([0, np.cos(a), np.sin(a)])) for a in (1.4, -0.3))
    assert (top - bottom).max() > 40
    assert bottom[0] - bottom[1] > 10  # what light there is below, a red floor sends back


def test_textures_lie_as_their_coordinates_say(renderer: Renderer) -> None:
    """The lower left quarter is (u, v) below a half, and rows of a texture run from the top."""
    texture = np.full((64, 64, 3), 255, np.uint8)
    texture[32:, :32] = (255, 0, 0)
    texture[:32, 32:] = (0, 0, 255)
    texture[32:, 32:] = (0, 255, 0)
    _, right, up, ahead = stage.camera()
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    plate = Mesh(
        "plate",
        np.float32(0.3 * (corners @ np.stack((right, up)))),
        np.tile(-ahead, (4, 1)),
        np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        np.float32((corners + 1) / 2),
        np.zeros(2, np.int32),
        (Material((1.0, 1.0, 1.0), texture),),
    )
    picture = draw(renderer, plate, shot(0, 0, 0, 1 / 3, 0.7, -np.pi / 2, 1 / 3))[0]
    lower_left, upper_right, lower_right, upper_left = (
        pixel(picture, 0.15 * (x * right + y * up)) for x, y in ((-1, -1), (1, 1), (1, -1), (-1, 1))
    )
    assert lower_left[0] - max(lower_left[1:]) > 80
    assert upper_right[2] - max(upper_right[:2]) > 80
    assert lower_right[1] - max(lower_right[::2]) > 80
    assert upper_left.max() - upper_left.min() < 40


def test_fine_textures_are_averaged_not_sampled(renderer: Renderer) -> None:
    shots = shot(0.3, 0.2, 0.1, 0.2, 0.2, 0.4, 0.1)
    grey = draw(renderer, box(sides=(0.5,) * 3, material=Material((0.5, 0.5, 0.5))), shots)[0]
    for side in (256, 512):  # as large as it is kept for pictures of this size, and larger
        texture = np.zeros((side, side, 3), np.uint8)
        texture[::2, ::2] = texture[1::2, 1::2] = 255
        picture = draw(renderer, box(sides=(0.5,) * 3, material=Material((1.0, 1.0, 1.0), texture)), shots)[0]
        assert np.abs(picture - grey).mean() < 0.5


def test_opacity_shows_and_shades_in_proportion(renderer: Renderer) -> None:
    """Light is halved where half of the surface is missing; of a surface of opacity 0 nothing is to be seen."""
    numbers = shot(0.2, 0.3, 0.1, 0.0, 0.6, 0.0, 0.0)
    bare = draw(renderer, box(sides=(1e-3,) * 3), numbers)[0]
    pictures = []
    for opacity in (0.0, 0.5, 1.0):
        mesh = box(sides=(0.4,) * 3, material=Material((0.1, 0.2, 0.9), opacity=opacity))
        pictures.append(draw(renderer, mesh, numbers)[0])
    assert np.abs(pictures[0] - bare).max() <= 1
    at = ground(np.zeros(3), 0.6, 0.0)
    for place, channel in ((np.zeros(3), 2), (at, 0)):
        none, some, full = (int(pixel(picture, place)[channel]) for picture in pictures)
        assert abs(full - none) > 15
        assert 0.25 < (some - none) / (full - none) < 0.9


def test_a_highlight_needs_gloss(renderer: Renderer) -> None:
    numbers = shot(0, 0, 0, 0.5, 0.6, 1.6, 0.0)
    dull, glossy = (draw(renderer, ball(material=Material((0.1, 0.1, 0.1), gloss=g)), numbers)[0] for g in (0.0, 1.0))
    more = glossy - dull
    assert more[..., 0].max() > 40  # in the colour of the light
    assert np.abs(more[..., 1:]).max() <= 2
    assert (more[..., 0] > 20).mean() < 0.05


def test_edges_are_smooth(renderer: Renderer) -> None:
    rough = made(renderer.name, SIZE, samples=1)
    numbers = shot(0.2, 0.1, 0.4, 0.5, 0.1, 0.0, 0.5)
    levels = [
        len(np.unique(draw(drawn, box(sides=(0.5,) * 3, material=Material((0.0, 0.0, 0.0))), numbers)[0, :32]))
        for drawn in (rough, renderer)
    ]
    rough.close()
    assert levels[0] < levels[1]


def test_ray_casting_and_rasterising_agree() -> None:
    texture = np.full((128, 128, 3), 230, np.uint8)
    texture[:64, :64] = (200, 40, 30)
    texture[64:, 64:] = (30, 60, 190)
    meshes = [
        ball(40),
        box(sides=(0.7, 0.3, 0.6), material=Material((1.0, 1.0, 1.0), texture)),
        both(
            *(box((x, y, -0.2), (0.06, 0.06, 0.4)) for x in (-0.3, 0.3) for y in (-0.3, 0.3)),
            box(sides=(0.7, 0.7, 0.05)),
        ),
    ]
    which, shots = torch.arange(18) % 3, Shots.of_latents(latents(18, seed=3))
    for size in (64, 128):
        pictures = []
        for name in ("embree", "opengl"):
            drawn = made(name, size)
            drawn.place(meshes)
            pictures.append(drawn.render(which, shots).numpy().astype(float))
            drawn.close()
        for one, other in zip(*pictures, strict=True):
            assert np.abs(one - other).mean() < 1.5
            assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.98


def test_several_threads_draw_the_same() -> None:
    shots = Shots.of_latents(latents(6))
    pictures = []
    for threads in (1, 2):
        drawn = make_renderer("embree", SIZE, threads=threads)
        pictures.append(draw(drawn, ball(), shots))
        drawn.close()
    np.testing.assert_array_equal(*pictures)


def test_more_views_than_an_atlas_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    from gazeworld.envs.renderers import opengl

    drawn, shots = made("opengl", 16), Shots.of_latents(latents(7))
    whole = draw(drawn, ball(), shots)
    monkeypatch.setattr(opengl, "_ATLAS", 32)  # two views a side
    np.testing.assert_allclose(draw(drawn, ball(), shots), whole, atol=3)
    drawn.close()


def test_two_contexts_do_not_disturb_each_other() -> None:
    first, second = made("opengl", 32), made("opengl", 48)
    shots = Shots.of_latents(latents(3))
    before = draw(first, ball(), shots)
    draw(second, box(), shots)
    np.testing.assert_array_equal(draw(first, ball(), shots), before)
    second.close()
    second.close()
    with ThreadPoolExecutor(1) as other:
        np.testing.assert_array_equal(other.submit(draw, first, ball(), shots).result(), before)
    np.testing.assert_array_equal(draw(first, ball(), shots), before)
    first.close()


def test_a_mesh_that_is_refused_leaves_nothing_half_placed(renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(mesh: Mesh) -> None:
        raise ValueError("no memory")

    good = ball()
    renderer.place([good])
    with monkeypatch.context() as patch:
        patch.setattr(renderer, "_prepare", refuse)
        with pytest.raises(ValueError, match="no memory"):
            renderer.place([box()])
    with pytest.raises(ValueError, match="0 have been placed"):
        renderer.render(torch.tensor([0]), Shots.of_latents(latents(1)))
    assert draw(renderer, good, Shots.of_latents(latents(1))).shape == (1, SIZE, SIZE, 3)


def test_auto_takes_a_gpu_or_else_embree() -> None:
    drawn = make_renderer("auto", 16)
    assert drawn.accelerated or drawn.name == "embree"
    drawn.close()


def test_auto_makes_do_with_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from gazeworld.envs.renderers import opengl

    def missing(device: int | None) -> None:
        raise UnavailableError("no driver")

    monkeypatch.setattr(opengl, "_context", missing)
    assert make_renderer("auto", 16).name == "embree"
    with pytest.raises(UnavailableError, match="no driver"):
        make_renderer("opengl", 16)


def test_no_driver_is_said_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    moderngl = pytest.importorskip("moderngl")

    def fails(**options: object) -> None:
        raise Exception("libEGL.so not loaded")

    monkeypatch.setattr(moderngl, "create_context", fails)
    with pytest.raises(UnavailableError, match=r"libEGL.so not loaded.*libegl1"):
        make_renderer("opengl", 16)


@pytest.mark.parametrize("package", ["embreex", "moderngl", "bpy"])
def test_a_missing_library_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    name = {"embreex": "embree", "moderngl": "opengl", "bpy": "blender"}[package]
    with pytest.raises(UnavailableError, match=f"needs {package}.*pip install"):
        make_renderer(name, 16)


def test_bad_requests_are_refused(renderer: Renderer) -> None:
    shots = Shots.of_latents(latents(2))
    renderer.place([ball()])
    with pytest.raises(ValueError, match="asked for meshes 0 … 1, 1 have been placed"):
        renderer.render(torch.tensor([0, 1]), shots)
    with pytest.raises(ValueError, match="1 meshes for 2 shots"):
        renderer.render(torch.tensor([0]), shots)
    with pytest.raises(UnknownNameError, match="embree"):
        make_renderer("povray", SIZE)
    with pytest.raises(ValueError, match="unexpected keyword argument 'colour'"):
        make_renderer(renderer.name, SIZE, colour=3)
    with pytest.raises(ValueError, match="size is 0"):
        make_renderer(renderer.name, 0)


def test_bad_shots_are_refused() -> None:
    numbers = latents(3)
    numbers[1, 5] = float("nan")
    with pytest.raises(ValueError, match="spot_phi holds numbers that are not finite"):
        Shots.of_latents(numbers)
    good = Shots.of_latents(latents(3))
    with pytest.raises((ValueError, TypeError)):  # the latter where shapes are checked, as in these tests
        Shots(good.rotation, good.floor_hue, good.spot_theta, good.spot_phi, good.spot_hue[:2])


def test_too_many_samples_for_the_driver() -> None:
    made("opengl", 16).close()
    with pytest.raises(ValueError, match="at most"):
        make_renderer("opengl", 16, samples=1000)


def test_renderers_are_imported_late() -> None:
    code = (
        f"import sys, {renderers.__name__}; "
        "sys.exit(any(name in sys.modules for name in ('embreex', 'moderngl', 'bpy', 'trimesh')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="bpy is not installed")
def test_blender_draws_much_the_same() -> None:
    shots = Shots.of_latents(latents(2, seed=1))
    pictures = [draw(make_renderer(name, 64), box(sides=(0.7, 0.3, 0.6)), shots) for name in ("blender", "embree")]
    for one, other in zip(*pictures, strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.9
