"""The stage's camera and light in OpenGL's shading language: what `stage` and ray casting say in NumPy, said again.

A program is put together from CONSTANTS and the parts that follow; every view of a batch is a row of the texture
`views`, whose `COLUMNS` texels are the three rows of the object's rotation with the floor's colour beside them, the
three of the lamp's frame with the beam beside them, and the light that the floor sends back.
"""

import math

from ..objects import stage
from ._sampling import spread

COLUMNS = 7
NEAR, FAR = 3.0, 5.0  # what the shadow map spans, from the lamp; objects reach from 3.5 to 4.5
SPAN = 0.145  # tangent at the shadow map's edge: a ball of diameter 1 fills .126, its soft edge .013 more


def _vector(values: "list[float]") -> str:
    return f"vec3({', '.join(map(str, values))})"


def _disc(name: str, length: str, count: int) -> str:
    """Places spread over the unit disc, and how many they are."""
    points = ", ".join(f"vec2({x:.6f}, {y:.6f})" for x, y in spread(count))
    return f"const int {length} = {count};\nconst vec2 {name}[{count}] = vec2[{count}]({points});\n"


_EYE, _RIGHT, _UP, _AHEAD = (_vector(row) for row in stage.camera().tolist())
CONSTANTS = f"""#version 400 core
const float NEAR = {NEAR}, FAR = {FAR}, SPAN = {SPAN}, PI = {math.pi};
const float HALF_WIDTH = {stage.HALF_WIDTH}, FLOOR = {stage.FLOOR_HEIGHT}, AMBIENT = {stage.AMBIENT};
const float SUN = {stage.SUN_IRRADIANCE}, CUT = {stage.SUN_CUT};
const float AWAY = {stage.SPOT_DISTANCE}, RADIUS = {stage.SPOT_RADIUS};
const float EDGE = {stage.CONE_EDGE}, SOFT = {stage.CONE_SOFTNESS};
const float GLOSS = {stage.GLOSS}, SHININESS = {stage.SHININESS};
const float TOP = {stage.FILM_TOP}, POWER = {stage.FILM_POWER}, KNEE = {stage.FILM_KNEE};
const vec3 EYE = {_EYE}, RIGHT = {_RIGHT}, UP = {_UP}, AHEAD = {_AHEAD};
{_disc("SEARCHED", "SEARCHES", 6)}{_disc("TAP", "TAPS", 16)}"""

# A view's cell in an atlas of `cells` cells a side, each of `side` pixels; what lies beyond the cell is cut off.
# Corners are put on the rasteriser's grid of 1/256 pixel, so that a view looks the same in whichever cell it lies.
# `first` is the view of instance 0.
PLACE = """
uniform sampler2D views;
uniform int first, cells, side;
vec4 row(int i) { return texelFetch(views, ivec2(i, first + gl_InstanceID), 0); }
mat3 turn() { return transpose(mat3(row(0).xyz, row(1).xyz, row(2).xyz)); }
void place(vec4 p) {
    int cell = first + gl_InstanceID;
    float grid = 128.0 * float(side);
    if (p.w > 0.1) p.xy = round(p.xy / p.w * grid) / grid * p.w;
    gl_ClipDistance[0] = p.w + p.x; gl_ClipDistance[1] = p.w - p.x;
    gl_ClipDistance[2] = p.w + p.y; gl_ClipDistance[3] = p.w - p.y;
    vec2 middle = (2.0 * vec2(cell % cells, cell / cells) + 1.0) / float(cells) - 1.0;
    gl_Position = vec4(p.xy / float(cells) + middle * p.w, p.zw);
}
"""

SHADOW_VERTEX = """
in vec3 position;
in vec2 surface;
out float opacity;
void main() {
    vec3 world = turn() * position;
    float along = AWAY - dot(row(5).xyz, world);
    vec2 across = vec2(dot(row(3).xyz, world), dot(row(4).xyz, world));
    opacity = surface.y;
    place(vec4(across / SPAN, along * (2.0 * (along - NEAR) / (FAR - NEAR) - 1.0), along));
}
"""

# Of a surface that is only partly there, that part of the texels casts a shadow; every triangle chooses others.
SHADOW_FRAGMENT = """
in float opacity;
void main() {
    ivec2 at = ivec2(gl_FragCoord.xy);
    float order = float((at.x * 5 + at.y * 3 + (at.x ^ at.y) * 8) & 15) / 16.0;
    if (opacity < 1.0 && fract(order + 0.618034 * float(gl_PrimitiveID % 1024)) >= opacity) discard;
}
"""

# Pictures are drawn upside down, so that the first row that is read back is the uppermost.
OBJECT_VERTEX = """
in vec3 position, normal, colour;
in vec2 uv, surface;
out vec3 world, facing, diffuse;
out vec2 at_texture;
flat out vec2 quality;
flat out int view;
void main() {
    view = first + gl_InstanceID;
    world = turn() * position; facing = turn() * normal;
    diffuse = colour; at_texture = uv; quality = surface;
    vec3 seen = world - EYE;
    float ahead = dot(AHEAD, seen);
    place(vec4(dot(RIGHT, seen) / HALF_WIDTH, -dot(UP, seen) / HALF_WIDTH, (ahead * 10.5 - 10.0) / 9.5, ahead));
}
"""

FLOOR_VERTEX = """
out vec3 world;
flat out int view;
void main() {
    view = first + gl_InstanceID;
    vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0 - 1.0;
    vec3 way = AHEAD + HALF_WIDTH * (corner.x * RIGHT - corner.y * UP);
    float ahead = (FLOOR - EYE.z) / way.z;
    world = EYE + ahead * way;
    place(vec4(corner, 1.0, 1.0) * ahead);  // at the far end: behind everything
}
"""

LIGHT = """
in vec3 world;
flat in int view;
uniform sampler2D views, shadows;
uniform int cells;
out vec4 pixel;
vec3 e1, e2, axis, ground, beam, bounce;

// What is said of the view, by columns; read here rather than handed on, which costs more for small triangles.
void describe() {
    vec4 floor_r = texelFetch(views, ivec2(0, view), 0), floor_g = texelFetch(views, ivec2(1, view), 0);
    vec4 a = texelFetch(views, ivec2(3, view), 0), b = texelFetch(views, ivec2(4, view), 0);
    vec4 c = texelFetch(views, ivec2(5, view), 0);
    ground = vec3(floor_r.w, floor_g.w, texelFetch(views, ivec2(2, view), 0).w);
    e1 = a.xyz; e2 = b.xyz; axis = c.xyz; beam = vec3(a.w, b.w, c.w);
    bounce = texelFetch(views, ivec2(6, view), 0).xyz;
}

vec3 film(vec3 x) { vec3 p = pow(max(x, 0.0), vec3(POWER)); return min(TOP * p / (p + KNEE), 1.0); }

vec2 in_map(vec2 tangents) {
    vec2 cell = vec2(view % cells, view / cells);
    return (cell + 0.5 + 0.5 * clamp(tangents / SPAN, -0.98, 0.98)) / float(cells);
}

// How much of the lamp is seen. p is the place as the lamp sees it, m the plane of the surface there, so that a ray of
// tangents t meets this plane after dot(m, p) / dot(m, (t, 1)); what is nearer by `slack` is in the way.
float visible(vec3 p, vec3 m) {
    vec2 t = p.xy / p.z;
    if (max(abs(t.x), abs(t.y)) > SPAN) return 1.0;
    float texel = 2.0 * SPAN * float(cells) / float(textureSize(shadows, 0).x);
    float level = dot(m, p);
    float slack = 0.002 + min(1.5 * texel * p.z * length(m.xy) / max(abs(m.z), 0.05), 0.05);
    float wide = RADIUS * (1.0 / 3.5 - 1.0 / p.z);
    float count = 0.0, sum = 0.0;
    for (int i = 0; i < SEARCHES; i++) {
        vec2 at = t + wide * SEARCHED[i];
        float limit = level / max(dot(m, vec3(at, 1.0)), 1e-3) - slack;
        vec4 z = NEAR + (FAR - NEAR) * textureGather(shadows, in_map(at));
        vec4 near = vec4(lessThan(z, min(vec4(limit), FAR - 0.01)));
        count += dot(near, vec4(1.0)); sum += dot(near, z);
    }
    if (count == 0.0) return 1.0;
    if (count == 4.0 * SEARCHES) return 0.0;
    wide = RADIUS * max(count / sum - 1.0 / p.z, 0.0);
    float lit = 0.0;
    for (int i = 0; i < TAPS; i++) {
        vec2 at = t + wide * TAP[i];
        float limit = level / max(dot(m, vec3(at, 1.0)), 1e-3) - slack;
        vec2 place = in_map(at);
        vec4 z = NEAR + (FAR - NEAR) * textureGather(shadows, place);
        vec4 far = vec4(greaterThanEqual(z, min(vec4(limit), FAR - 0.01)));
        vec2 f = fract(place * vec2(textureSize(shadows, 0)) - 0.5);
        lit += mix(mix(far.w, far.z, f.x), mix(far.x, far.y, f.x), f.y);
    }
    return lit / TAPS;
}

// The spot's light on a surface, as a share of its beam: irradiance over pi.
float spot(vec3 normal) {
    vec3 p = vec3(dot(e1, world), dot(e2, world), AWAY - dot(axis, world));
    vec3 m = vec3(dot(e1, normal), dot(e2, normal), -dot(axis, normal));
    float cosine = -dot(m, p);
    float half_edge = SOFT + RADIUS / p.z;
    float cone = smoothstep(EDGE + half_edge, EDGE - half_edge, length(p.xy) / p.z);
    if (cosine <= 0.0 || cone == 0.0) return 0.0;
    return visible(p, -m) * cone * cosine / (pow(dot(p, p), 1.5) * PI);
}
"""

FLOOR_FRAGMENT = """
void main() {
    describe();
    pixel = vec4(film(ground * (SUN / PI + AMBIENT + beam * spot(vec3(0.0, 0.0, 1.0)))), 1.0);
}
"""

OBJECT_FRAGMENT = """
in vec3 facing, diffuse;
in vec2 at_texture;
flat in vec2 quality;
uniform sampler2D image;
uniform bool painted;
void main() {
    describe();
    vec3 normal = normalize(facing) * (gl_FrontFacing ? 1.0 : -1.0);
    vec3 colour = painted ? diffuse * texture(image, at_texture).rgb : diffuse;
    float sunk = clamp((normal.z + CUT) / (2.0 * CUT), 0.0, 1.0);
    float sun = max(CUT * sunk * sunk * (1.0 + 0.632 * (1.0 - sunk) * (1.0 - sunk)), normal.z);
    float lit = spot(normal);
    vec3 light = sun * SUN / PI + (1.0 + normal.z) * AMBIENT / 2.0 + (1.0 - normal.z) * bounce / 2.0;
    vec3 half_way = normalize(normalize(AWAY * axis - world) + normalize(EYE - world));
    float shine = GLOSS * (SHININESS + 8.0) / 8.0 * pow(max(dot(normal, half_way), 0.0), SHININESS);
    pixel = vec4(film(colour * (light + beam * lit) + beam * (lit * quality.x * shine)), quality.y);
}
"""
