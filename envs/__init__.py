"""What can be looked at: worlds, their data, and the Gymnasium environments that look at them.

Its import registers `gazeworld/Saccade-v0` and its like with Gymnasium and stays light: torch is imported
when something is taken from here or an environment is made.

Environments
    vector_env       ActiveVisionVectorEnv: any world as a Gymnasium vector environment
    single_env       ActiveVisionEnv: the same for one row; OneRow, of any such vector environment
    resets           what `reset(options=…)` may ask for
    render           frames for people
    conformance/     tests to run on one's own world, source, renderer, prior, or anybody's vector environment
Worlds
    world            World, the contract, and make_world; what a world can do is asked here
    worlds/          one file a world: saccade, rotation, augmentation
    stream           Stream, the record that every world yields and every method learns from
    rng              Draws: random numbers that depend on seed, row and episode alone
    fixations        where glimpses may lie, and inhibition of return
    saliency         saliency maps of images
    prior            Prior, the contract of where somebody may look next, and make_prior
    priors/          one file a prior: from pixels, stored maps, networks, and controls
    fixation_prior   FixationPrior: a prior brought to legal fixations, with inhibition of return
    tabled_prior     the same drawn from tables of all scenes' maps
    dense_prior      the same drawn by a pass over a scene's own map
    scene_priors     which of the two a world draws from
    alias_tables     draws from many distributions at once
Data
    images           Images, still pictures with labels, and load_source
    image_files      the files that images were made from, and where a place in a file lies in its image
    map_sets         saliency maps that were computed before
    gaze/            people's fixations on the images of a source
    given_images     images that a caller holds: arrays, tensors, Pillow's
    sources/         one file a kind of data
    downloads        published data sets fetched, verified and unpacked
    objects/         objects to be turned: views, rotations, the stage, renderers' contract
    meshes/          objects from files of any kind, and parametric ones
    renderers/       one file a way to draw meshes
    object_datasets/ data sets of objects on disk: rendered, read, packed
    image_datasets/  data sets of images on disk: read when looked at
What all of them use
    registry         names: registries of files, lazy faces of packages
    plugins          things of other packages, by entry points or as MODULE:NAME
    validation       types and bounds of options
    signatures       what a registry's things can be told, read from the source
    files            files, read with errors that name them and written whole or not at all
    resumable        large files written piece by piece
    threads          work done by threads, in order
    cache            arrays that are computed once
    arrays           .npy files of strangers
    pickles          pickled data sets, read without running code
    walking          one walk for every tree of files
"""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from .registry import face, names

if TYPE_CHECKING:
    from .conformance import (
        ConformanceError,
        check_images,
        check_objects,
        check_prior,
        check_renderer,
        check_source,
        check_vector_env,
        check_world,
    )
    from .files import DataError
    from .fixation_prior import FixationPrior
    from .fixations import Inhibition, Lattice
    from .images import Images, load_source
    from .meshes.mesh import Mesh
    from .meshes.mesh_files import load_mesh
    from .objects.gallery import Objects
    from .objects.renderer import Renderer, make_renderer
    from .objects.rotations import Region
    from .prior import Prior, make_prior
    from .rng import Draws
    from .saliency import image_signature, saliency_maps
    from .scene_priors import fixation_prior_of
    from .single_env import ActiveVisionEnv
    from .stream import Stream
    from .validation import OptionError
    from .vector_env import ActiveVisionVectorEnv
    from .world import Quantity, Scene, World, make_world

__all__ = [
    "ActiveVisionEnv",
    "ActiveVisionVectorEnv",
    "ConformanceError",
    "DataError",
    "Draws",
    "FixationPrior",
    "Images",
    "Inhibition",
    "Lattice",
    "Mesh",
    "Objects",
    "OptionError",
    "Prior",
    "Quantity",
    "Region",
    "Renderer",
    "Scene",
    "Stream",
    "World",
    "__version__",
    "check_images",
    "check_objects",
    "check_prior",
    "check_renderer",
    "check_source",
    "check_vector_env",
    "check_world",
    "fixation_prior_of",
    "image_signature",
    "load_mesh",
    "load_source",
    "make_prior",
    "make_renderer",
    "make_world",
    "register_envs",
    "saliency_maps",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "single_env": ("ActiveVisionEnv",),
        "vector_env": ("ActiveVisionVectorEnv",),
        "conformance": (
            "ConformanceError",
            "check_images",
            "check_objects",
            "check_prior",
            "check_renderer",
            "check_source",
            "check_vector_env",
            "check_world",
        ),
        "world": ("Quantity", "Scene", "World", "make_world"),
        "stream": ("Stream",),
        "rng": ("Draws",),
        "fixations": ("Inhibition", "Lattice"),
        "saliency": ("image_signature", "saliency_maps"),
        "prior": ("Prior", "make_prior"),
        "fixation_prior": ("FixationPrior",),
        "scene_priors": ("fixation_prior_of",),
        "images": ("Images", "load_source"),
        "files": ("DataError",),
        "validation": ("OptionError",),
        "objects.gallery": ("Objects",),
        "objects.rotations": ("Region",),
        "objects.renderer": ("Renderer", "make_renderer"),
        "meshes.mesh": ("Mesh",),
        "meshes.mesh_files": ("load_mesh",),
    },
)

try:
    __version__ = version("gazeworld")
except PackageNotFoundError:  # run from a folder of its source
    __version__ = "0+unknown"


_SHOWN = {"saccade": {"source": "digits", "source_options": {"side": 108, "variants": 4}}}
"""What an id shows where no other source is named: glimpses of 36 px, the least that Stable-Baselines3's CNN takes."""


def register_envs() -> None:
    """Give every world two Gymnasium ids: `saccade.py` is `gazeworld/Saccade-v0` and `gazeworld/SaccadeCoverage-v0`.

    Called on import, of `gazeworld` or of anything in it; a second call changes nothing. The first id pays 0, the
    second what each view adds to what was seen (`reward="coverage"`; it takes other rewards). Worlds that installed
    packages offer have ids, too.

    Gymnasium 1.x loads no plug-ins: with nothing imported it says "Namespace gazeworld not found", and an environment
    is named with its module, `gymnasium.make("gazeworld:gazeworld/Saccade-v0")`. So it is where another library makes
    it in processes of its own, as Stable-Baselines3's SubprocVecEnv does. Versions before 1.0, and other libraries that
    read the entry points `gymnasium.envs`, call this function themselves.
    """
    # Imported here, not above: a Gymnasium that does load plug-ins may be importing us at this very moment.
    from gymnasium.envs import registration

    single, several = "gazeworld.envs.single_env:ActiveVisionEnv", "gazeworld.envs.vector_env:ActiveVisionVectorEnv"
    paid = "gazeworld.agents.rl.rewarded"  # as text: what is above imports what is below, never the other way round
    for world in names("gazeworld.envs.worlds"):
        name = "".join(part.capitalize() for part in world.split("-"))
        if not name.isidentifier():
            continue  # a package may call its world anything
        kwargs = {"world": {"name": world, **_SHOWN.get(world, {})}}
        for id, entry, vector_entry, more in (
            (f"gazeworld/{name}-v0", single, several, {}),
            (
                f"gazeworld/{name}Coverage-v0",
                f"{paid}:RewardedEnv",
                f"{paid}:rewarded_vector_env",
                {"reward": "coverage"},
            ),
        ):
            if id not in registration.registry:
                registration.register(
                    id=id, entry_point=entry, vector_entry_point=vector_entry, kwargs={**kwargs, **more}
                )


register_envs()
